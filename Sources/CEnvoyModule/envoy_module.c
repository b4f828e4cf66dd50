/* SwiftPM wants a source file beside a header. Compiling it proves that the header is valid C by itself. */
#include "envoy_module.h"
