/* A client that keeps up: sends prepared requests and reads the tokens in what comes back.

   load PORT REQUESTS_FILE AT_ONCE RAMP_US TIMEOUT_S [keep]

   REQUESTS_FILE holds requests one after another, each behind a line with its size in bytes. AT_ONCE connections are
   opened RAMP_US apart; when a response is complete the next request goes out, over a new connection or, with `keep`,
   over the same one. A line on standard input is answered with a line `mark`, and what came between the last two
   marks is what the delays are of. When all is done, one JSON object. */
#define _GNU_SOURCE
#include "tokens.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { EVENTS = 256, HEAD_BYTES = 8192 };

typedef struct {
  const char *bytes;
  size_t size, sent;
  uint64_t asked_us, first_us, ended_us;
  uint32_t tokens;
  int status;
} Request;

typedef enum { HEAD, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER, COUNTED, UNTIL_CLOSE } Part;

typedef struct {
  int fd;
  Request *request;
  bool wants_write;
  Part part;
  char head[HEAD_BYTES];
  size_t head_bytes, left;
  int token_bytes; /* how much of a token has been read */
  char token[TOKEN_BYTES];
} Connection;

static Request *requests;
static size_t request_count, next_request, ended;
static Connection *connections;
static int poller, port;
static bool keep;
static uint32_t *delays;
static size_t delay_count, delay_room, mark_from, mark_to;
static uint64_t total_tokens, total_bytes, reads, disorder, failures;

static void finish_request(Connection *c, bool whole);

static void begin(Connection *c) {
  if (next_request == request_count) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    return;
  }
  c->request = &requests[next_request++];
  c->part = HEAD;
  c->head_bytes = 0;
  c->token_bytes = 0;
  if (c->fd < 0) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->request->asked_us = now_us();
    if (connect(c->fd, (struct sockaddr *)&at, sizeof at) < 0 && errno != EINPROGRESS) perror("connect");
    c->wants_write = true;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
  } else {
    c->request->asked_us = now_us();
    c->wants_write = true;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
  }
}

static void finish_request(Connection *c, bool whole) {
  c->request->ended_us = now_us();
  if (!whole || c->request->status < 200 || c->request->status > 299) failures++;
  ended++;
  if (!keep || !whole) {
    close(c->fd);
    c->fd = -1;
  }
  begin(c);
}

static void took_token(Connection *c, uint64_t now) {
  uint64_t number = 0, sent = 0;
  for (int i = 1; i <= NUMBER_DIGITS; i++) number = number * 10 + (uint64_t)(c->token[i] - '0');
  for (int i = 1 + NUMBER_DIGITS; i < TOKEN_BYTES; i++) sent = sent * 10 + (uint64_t)(c->token[i] - '0');
  if (number != c->request->tokens % 1000000u) disorder++;
  if (c->request->tokens++ == 0) c->request->first_us = now;
  if (delay_count == delay_room) {
    delay_room = delay_room ? delay_room * 2 : 1 << 20;
    delays = realloc(delays, delay_room * sizeof *delays);
  }
  delays[delay_count++] = now > sent ? (uint32_t)(now - sent) : 0;
  total_tokens++;
}

static void scan(Connection *c, const char *bytes, size_t count, uint64_t now) {
  size_t i = 0;
  while (i < count) {
    if (c->token_bytes == 0) {
      const char *found = memchr(bytes + i, '~', count - i);
      if (found == NULL) return;
      i = (size_t)(found - bytes);
    }
    size_t take = (size_t)(TOKEN_BYTES - c->token_bytes);
    if (take > count - i) take = count - i;
    memcpy(c->token + c->token_bytes, bytes + i, take);
    c->token_bytes += (int)take;
    i += take;
    if (c->token_bytes == TOKEN_BYTES) {
      took_token(c, now);
      c->token_bytes = 0;
    }
  }
}

/* What follows the head, from its status line and length. */
static void read_head(Connection *c) {
  c->request->status = atoi(c->head + 9);
  char *length = strcasestr(c->head, "\r\ncontent-length:");
  if (strcasestr(c->head, "\r\ntransfer-encoding: chunked")) {
    c->part = CHUNK_SIZE;
    c->left = 0;
  } else if (length) {
    c->part = COUNTED;
    c->left = strtoul(length + 17, NULL, 10);
  } else if (c->request->status == 204) {
    c->part = COUNTED;
    c->left = 0;
  } else {
    c->part = UNTIL_CLOSE;
  }
}

/* One part of the response; how many bytes it used. Sets `done` at its end. */
static size_t read_part(Connection *c, const char *bytes, size_t count, uint64_t now, bool *done) {
  size_t used;
  const char *end;
  switch (c->part) {
    case HEAD:
      used = 0;
      while (used < count && c->head_bytes < HEAD_BYTES - 1) {
        c->head[c->head_bytes++] = bytes[used++];
        if (c->head_bytes >= 4 && memcmp(c->head + c->head_bytes - 4, "\r\n\r\n", 4) == 0) {
          c->head[c->head_bytes] = 0;
          read_head(c);
          *done = c->part == COUNTED && c->left == 0;
          break;
        }
      }
      return used;
    case CHUNK_SIZE:
      for (used = 0; used < count; used++) {
        char b = bytes[used];
        if (b == '\n') {
          c->part = c->left ? CHUNK : TRAILER;
          return used + 1;
        }
        if (b == '\r') continue;
        c->left = c->left * 16 + (size_t)(b <= '9' ? b - '0' : (b | 32) - 'a' + 10);
      }
      return used;
    case CHUNK:
    case COUNTED:
      used = count < c->left ? count : c->left;
      scan(c, bytes, used, now);
      c->left -= used;
      if (c->left == 0) {
        if (c->part == COUNTED) *done = true;
        c->part = CHUNK_END;
      }
      return used;
    case CHUNK_END:
    case TRAILER:
      end = memchr(bytes, '\n', count);
      if (end == NULL) return count;
      if (c->part == TRAILER) *done = true;
      c->part = CHUNK_SIZE;
      return (size_t)(end - bytes) + 1;
    default:
      scan(c, bytes, count, now);
      return count;
  }
}

static void readable(Connection *c) {
  static char bytes[262144];
  ssize_t n = read(c->fd, bytes, sizeof bytes);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    finish_request(c, n == 0 && c->part == UNTIL_CLOSE);
    return;
  }
  uint64_t now = now_us();
  reads++;
  total_bytes += (uint64_t)n;
  size_t at = 0;
  bool done = false;
  while (at < (size_t)n && !done) at += read_part(c, bytes + at, (size_t)n - at, now, &done);
  if (done) finish_request(c, true);
}

static void writable(Connection *c) {
  Request *r = c->request;
  ssize_t n = write(c->fd, r->bytes + r->sent, r->size - r->sent);
  if (n < 0 && errno == EAGAIN) return;
  if (n < 0) {
    finish_request(c, false);
    return;
  }
  r->sent += (size_t)n;
  if (r->sent < r->size) return;
  c->wants_write = false;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

static int smaller(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static void print_spread(const char *name, uint32_t *of, size_t count) {
  qsort(of, count, sizeof *of, smaller);
  printf(",\"%s\":{\"count\":%zu", name, count);
  if (count)
    printf(",\"p50_us\":%u,\"p90_us\":%u,\"p99_us\":%u,\"max_us\":%u", of[count / 2], of[count * 9 / 10],
           of[count * 99 / 100], of[count - 1]);
  printf("}");
}

static void print_all(void) {
  uint32_t *first = malloc((request_count + 1) * sizeof *first), *whole = malloc((request_count + 1) * sizeof *whole);
  size_t firsts = 0, wholes = 0;
  uint32_t fewest = UINT32_MAX, most = 0;
  for (size_t i = 0; i < request_count; i++) {
    Request *r = &requests[i];
    if (r->first_us) first[firsts++] = (uint32_t)(r->first_us - r->asked_us);
    if (r->ended_us) whole[wholes++] = (uint32_t)(r->ended_us - r->asked_us);
    if (r->tokens < fewest) fewest = r->tokens;
    if (r->tokens > most) most = r->tokens;
  }
  printf("{\"requests\":%zu,\"ended\":%zu,\"failures\":%lu,\"tokens\":%lu,\"bytes\":%lu,\"reads\":%lu,"
         "\"disorder\":%lu,\"fewest\":%u,\"most\":%u",
         request_count, ended, failures, total_tokens, total_bytes, reads, disorder, fewest, most);
  print_spread("first", first, firsts);
  print_spread("whole", whole, wholes);
  if (mark_to > mark_from) print_spread("delay", delays + mark_from, mark_to - mark_from);
  else print_spread("delay", delays, delay_count);
  printf("}\n");
}

static void load_requests(const char *name) {
  int fd = open(name, O_RDONLY);
  struct stat about;
  if (fd < 0 || fstat(fd, &about) < 0) {
    perror(name);
    exit(1);
  }
  const char *bytes = mmap(NULL, (size_t)about.st_size + 1, PROT_READ, MAP_PRIVATE, fd, 0), *end = bytes + about.st_size;
  while (bytes < end) {
    char *after;
    size_t size = strtoul(bytes, &after, 10);
    requests = realloc(requests, (request_count + 1) * sizeof *requests);
    requests[request_count++] = (Request){.bytes = after + 1, .size = size};
    bytes = after + 1 + size;
  }
}

int main(int argc, char **argv) {
  if (argc < 6) {
    fprintf(stderr, "load PORT REQUESTS_FILE AT_ONCE RAMP_US TIMEOUT_S [keep]\n");
    return 2;
  }
  port = atoi(argv[1]);
  load_requests(argv[2]);
  size_t at_once = strtoul(argv[3], NULL, 10), opened = 0;
  uint64_t ramp_us = strtoull(argv[4], NULL, 10), until = now_us() + strtoull(argv[5], NULL, 10) * 1000000u;
  keep = argc > 6;
  connections = calloc(at_once, sizeof *connections);
  poller = epoll_create1(0);
  struct epoll_event on_input = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &on_input);
  uint64_t began = now_us();
  struct epoll_event events[EVENTS];
  while (ended < request_count && now_us() < until) {
    while (opened < at_once && now_us() >= began + opened * ramp_us) {
      connections[opened].fd = -1;
      begin(&connections[opened++]);
    }
    int count = epoll_wait(poller, events, EVENTS, opened < at_once ? 1 : 100);
    for (int i = 0; i < count; i++) {
      Connection *c = events[i].data.ptr;
      if (c == NULL) {
        char line[256];
        if (read(STDIN_FILENO, line, sizeof line) <= 0) {
          epoll_ctl(poller, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
          continue;
        }
        mark_from = mark_to;
        mark_to = delay_count;
        printf("mark %lu %lu %lu %zu\n", now_us(), total_tokens, reads, ended);
        fflush(stdout);
        continue;
      }
      if (c->fd >= 0 && c->wants_write && (events[i].events & EPOLLOUT)) writable(c);
      if (c->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) readable(c);
    }
  }
  print_all();
  return 0;
}
