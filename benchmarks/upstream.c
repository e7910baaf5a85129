/* A model's server that does nothing but stream: OpenAI's chat completions, one chunk and one write a token.

   upstream PORT TOKENS INTERVAL_US [FIRST_MS]

   Every reply has TOKENS tokens, INTERVAL_US apart, the first FIRST_MS after the request; an interval of 0 sends as
   fast as the socket takes them. Each token leaves at its own moment: gathering those of many replies into ticks would
   spare whoever relays them most of its wake-ups. GET answers with the list of its one model. Ends with its standard
   input. */
#define _GNU_SOURCE
#include "tokens.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { CONNECTIONS = 4096, HEAD_BYTES = 16384, OUT_BYTES = 65536, EVENTS = 256 };

typedef struct {
  int fd;
  bool streaming, wants_write;
  char head[HEAD_BYTES]; /* of the request, until its blank line is there */
  size_t head_bytes, body_left;
  bool in_body, is_get;
  uint32_t sent_tokens;
  char *out;
  size_t out_bytes, out_sent;
} Connection;

static Connection connections[CONNECTIONS];
static uint64_t due_us[CONNECTIONS]; /* when the next token of each connection leaves; NEVER without one */
static const uint64_t NEVER = UINT64_MAX;
static int poller, ticker, used; /* connections 0 to used-1 have been in use */
static uint64_t alarm_us;
static uint32_t tokens;
static uint64_t interval_us, first_us;

static const char RESPONSE[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
static const char MODELS[] = "{\"object\":\"list\",\"data\":[{\"id\":\"bench\",\"object\":\"model\"}]}";
static const char BEFORE[] = "data: {\"id\":\"chatcmpl-9cb3b5e0a3f34ad08ae2b2e6b9f4f3d1\",\"object\":"
                             "\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"bench\",\"choices\":[{"
                             "\"index\":0,\"delta\":{\"content\":\"";
static const char AFTER[] = "\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
static const char LAST[] = "data: {\"id\":\"chatcmpl-9cb3b5e0a3f34ad08ae2b2e6b9f4f3d1\",\"object\":"
                           "\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"bench\",\"choices\":[{"
                           "\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n"
                           "data: [DONE]\n\n";

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void let_go(Connection *c) {
  close(c->fd);
  free(c->out);
  memset(c, 0, sizeof *c);
  due_us[c - connections] = NEVER;
  c->fd = -1;
}

static void want(Connection *c, bool write) {
  if (c->wants_write == write) return;
  c->wants_write = write;
  struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = c};
  epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

static void put_chunk(Connection *c, const char *parts[], const size_t sizes[], int count) {
  size_t size = 0;
  for (int i = 0; i < count; i++) size += sizes[i];
  c->out_bytes += (size_t)sprintf(c->out + c->out_bytes, "%zx\r\n", size);
  for (int i = 0; i < count; i++) {
    memcpy(c->out + c->out_bytes, parts[i], sizes[i]);
    c->out_bytes += sizes[i];
  }
  memcpy(c->out + c->out_bytes, "\r\n", 2);
  c->out_bytes += 2;
}

static void put_digits(char *at, int digits, uint64_t value) {
  for (int i = digits - 1; i >= 0; i--, value /= 10) at[i] = (char)('0' + value % 10);
}

static void put_token(Connection *c) {
  char token[TOKEN_BYTES] = {'~'};
  put_digits(token + 1, NUMBER_DIGITS, c->sent_tokens % 1000000u);
  put_digits(token + 1 + NUMBER_DIGITS, TIME_DIGITS, now_us());
  const char *parts[] = {BEFORE, token, AFTER};
  const size_t sizes[] = {sizeof BEFORE - 1, TOKEN_BYTES, sizeof AFTER - 1};
  put_chunk(c, parts, sizes, 3);
  c->sent_tokens++;
}

static void put_end(Connection *c) {
  const char *parts[] = {LAST};
  const size_t sizes[] = {sizeof LAST - 1};
  put_chunk(c, parts, sizes, 1);
  memcpy(c->out + c->out_bytes, "0\r\n\r\n", 5);
  c->out_bytes += 5;
}

/* Writes what is there; false when the connection is gone. */
static bool flush_out(Connection *c) {
  while (c->out_sent < c->out_bytes) {
    ssize_t n = write(c->fd, c->out + c->out_sent, c->out_bytes - c->out_sent);
    if (n < 0 && errno == EAGAIN) {
      want(c, true);
      return true;
    }
    if (n <= 0) {
      let_go(c);
      return false;
    }
    c->out_sent += (size_t)n;
  }
  c->out_sent = c->out_bytes = 0;
  return true;
}

static const size_t ROOM = sizeof BEFORE + sizeof AFTER + sizeof LAST + 128;

/* Sends what is due, as far as the socket takes it. */
static void step(Connection *c, uint64_t now) {
  while (c->streaming && c->out_bytes == 0) {
    if (interval_us == 0) {
      while (c->sent_tokens < tokens && c->out_bytes + ROOM < OUT_BYTES) put_token(c);
    } else {
      if (due_us[c - connections] > now) return;
      put_token(c);
      due_us[c - connections] += interval_us;
    }
    if (c->sent_tokens == tokens) {
      put_end(c);
      due_us[c - connections] = NEVER;
      c->streaming = false;
    }
    if (!flush_out(c)) return;
  }
  if (c->out_bytes == 0) want(c, false);
}

/* Sends every token whose moment has come, and sets the alarm for the next one. */
static void send_due(void) {
  uint64_t now = now_us(), next = NEVER;
  for (int i = 0; i < used; i++) {
    if (due_us[i] <= now) step(&connections[i], now);
    if (due_us[i] < next) next = due_us[i];
  }
  if (next == alarm_us) return;
  alarm_us = next;
  struct itimerspec at = {{0, 0}, {0, 0}};
  if (next != NEVER) at.it_value = (struct timespec){(time_t)(next / 1000000u), (long)(next % 1000000u) * 1000};
  timerfd_settime(ticker, TFD_TIMER_ABSTIME, &at, NULL);
}

static void answer(Connection *c) {
  c->out_bytes = c->out_sent = 0;
  if (c->is_get) {
    c->out_bytes = (size_t)sprintf(c->out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                           "Content-Length: %zu\r\n\r\n%s", sizeof MODELS - 1, MODELS);
    flush_out(c);
    return;
  }
  c->sent_tokens = 0;
  c->streaming = true;
  if (interval_us) due_us[c - connections] = now_us() + first_us;
  memcpy(c->out, RESPONSE, sizeof RESPONSE - 1);
  c->out_bytes = sizeof RESPONSE - 1;
  if (flush_out(c)) step(c, now_us());
  if (interval_us) send_due();
}

static void take(Connection *c, const char *bytes, size_t count) {
  if (c->in_body) {
    if (count > c->body_left) count = c->body_left;
    c->body_left -= count;
    if (c->body_left == 0) {
      c->in_body = false;
      answer(c);
    }
    return;
  }
  if (c->head_bytes + count >= HEAD_BYTES) {
    let_go(c);
    return;
  }
  memcpy(c->head + c->head_bytes, bytes, count);
  c->head_bytes += count;
  c->head[c->head_bytes] = 0;
  char *end = strstr(c->head, "\r\n\r\n");
  if (end == NULL) return;
  size_t rest = c->head_bytes - (size_t)(end + 4 - c->head);
  char *length = strcasestr(c->head, "\r\ncontent-length:");
  size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
  c->is_get = strncmp(c->head, "GET ", 4) == 0;
  c->head_bytes = 0;
  c->body_left = body > rest ? body - rest : 0;
  c->in_body = c->body_left > 0;
  if (!c->in_body) answer(c);
}

static void open_new(int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    Connection *c = NULL;
    for (int i = 0; i < CONNECTIONS && c == NULL; i++)
      if (connections[i].fd < 0) {
        c = &connections[i];
        if (i >= used) used = i + 1;
      }
    if (c == NULL) {
      close(fd);
      continue;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->fd = fd;
    c->out = malloc(OUT_BYTES + 4096);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
  }
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "upstream PORT TOKENS INTERVAL_US [FIRST_MS]\n");
    return 2;
  }
  tokens = (uint32_t)strtoul(argv[2], NULL, 10);
  interval_us = strtoull(argv[3], NULL, 10);
  first_us = argc > 4 ? strtoull(argv[4], NULL, 10) * 1000 : 0;
  for (int i = 0; i < CONNECTIONS; i++) {
    connections[i].fd = -1;
    due_us[i] = NEVER;
  }

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 4096) < 0) fail("listen");
  ticker = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  poller = epoll_create1(0);
  int specials[] = {listener, ticker, STDIN_FILENO};
  for (int i = 0; i < 3; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &specials[i]};
    epoll_ctl(poller, EPOLL_CTL_ADD, specials[i], &event);
  }
  puts("ready");
  fflush(stdout);

  static char bytes[65536];
  struct epoll_event events[EVENTS];
  for (;;) {
    int count = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      void *what = events[i].data.ptr;
      if (what == &specials[0]) {
        open_new(listener);
      } else if (what == &specials[1]) {
        uint64_t ticks;
        if (read(ticker, &ticks, sizeof ticks) < 0) continue;
        alarm_us = NEVER;
        send_due();
      } else if (what == &specials[2]) {
        if (read(STDIN_FILENO, bytes, sizeof bytes) <= 0) return 0;
      } else {
        Connection *c = what;
        if (c->fd < 0) continue;
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
          ssize_t n = read(c->fd, bytes, sizeof bytes);
          if (n <= 0) {
            if (n == 0 || errno != EAGAIN) let_go(c);
            continue;
          }
          take(c, bytes, (size_t)n);
        }
        if (c->fd >= 0 && (events[i].events & EPOLLOUT) && flush_out(c)) step(c, now_us());
      }
    }
  }
}
