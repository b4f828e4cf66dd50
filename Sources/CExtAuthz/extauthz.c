#include "extauthz.h"
