#include "raw_grpc.h"
