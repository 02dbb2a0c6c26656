/* Base64 (RFC 4648) and hexadecimal. */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include "base/str.h"

void base64_put(struct str *out, struct span in); /* with padding, one line */
/* Strict: canonical alphabet, padding right, nothing else. false and out unchanged otherwise. */
bool base64_parse(struct str *out, struct span in);

void hex_put(struct str *out, struct span in); /* lower case */
bool hex_parse(struct str *out, struct span in);

#endif
