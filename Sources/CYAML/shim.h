#ifndef PORTCULLIS_CYAML_H
#define PORTCULLIS_CYAML_H
/* libyaml, as Debian's libyaml-dev installs it. */
#include <yaml.h>
#endif
