/* A token that carries its own number and the moment it was sent, so that whoever reads it can tell what is missing
   and how late it is: '~', 6 digits of number, 16 digits of microseconds (CLOCK_MONOTONIC, one machine). */
#ifndef TOKENS_H
#define TOKENS_H

#include <stdint.h>
#include <time.h>

enum { NUMBER_DIGITS = 6, TIME_DIGITS = 16, TOKEN_BYTES = 1 + NUMBER_DIGITS + TIME_DIGITS };

static inline uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

#endif
