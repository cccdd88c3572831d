/* A provider that answers OpenAI's shapes from memory, one thread and epoll: `cc -O2 -o provider provider.c`.
 *
 * The model that is asked for says what is answered, as in provider.py, which serves where there is no compiler:
 * `chat` a completion, `stream` 100 events in one write, `paced` the same one every 5 ms, `held` one event and then
 * nothing, else for each text ("The quick brown fox") a vector of 1536 numbers. Requests have a Content-Length. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DIMENSIONS = 1536, CHUNKS = 100, VECTORS = 64, TEXTS = 4096, PACE_US = 5000, READ = 65536 };

typedef struct { char *data; size_t size; } Bytes;

typedef struct Connection {
  int socket, writing, closed;
  char *read;
  size_t size, capacity;
  Bytes unsent;
  int chunk; /* the next of a paced stream, or -1 */
  int64_t due;
  struct Connection *before, *after; /* in the list of paced streams */
} Connection;

static Bytes chat, whole_stream, stream_head, held, chunks[CHUNKS + 1], vectors[VECTORS], embeddings[TEXTS + 1];
static Connection *paced, *closed;
static int poller;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

static void append(Bytes *to, const void *data, size_t size) {
  to->data = realloc(to->data, to->size + size);
  memcpy(to->data + to->size, data, size);
  to->size += size;
}

static void append_text(Bytes *to, const char *text) { append(to, text, strlen(text)); }

static Bytes answer(Bytes body) {
  char head[128];
  Bytes all = {0};
  snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body.size);
  append_text(&all, head);
  append(&all, body.data, body.size);
  free(body.data);
  return all;
}

static Bytes chunk(const char *text) {
  char size[32];
  Bytes all = {0};
  snprintf(size, sizeof size, "%zx\r\n", strlen(text));
  append_text(&all, size);
  append_text(&all, text);
  append_text(&all, "\r\n");
  return all;
}

static void make_vectors(void) {
  uint32_t chance = 1;
  for (int row = 0; row < VECTORS; row++) {
    append_text(&vectors[row], "[");
    for (int place = 0; place < DIMENSIONS; place++) {
      char number[32];
      chance = chance * 1664525u + 1013904223u;
      snprintf(number, sizeof number, "%s%.8f", place ? ", " : "", ((int)(chance >> 8) - (1 << 23)) / (double)(1 << 23) * 0.06);
      append_text(&vectors[row], number);
    }
    append_text(&vectors[row], "]");
  }
}

static Bytes embeddings_of(int count) {
  Bytes body = {0};
  char text[160];
  if (embeddings[count].size) return embeddings[count];
  append_text(&body, "{\"object\": \"list\", \"data\": [");
  for (int row = 0; row < count; row++) {
    snprintf(text, sizeof text, "%s{\"object\": \"embedding\", \"index\": %d, \"embedding\": ", row ? ", " : "", row);
    append_text(&body, text);
    append(&body, vectors[row % VECTORS].data, vectors[row % VECTORS].size);
    append_text(&body, "}");
  }
  snprintf(text, sizeof text, "], \"model\": \"m\", \"usage\": {\"prompt_tokens\": %d, \"total_tokens\": %d}}", 8 * count, 8 * count);
  append_text(&body, text);
  return embeddings[count] = answer(body);
}

static void make_answers(void) {
  char text[2048], words[512] = "";
  Bytes body = {0};
  for (int times = 0; times < 10; times++) strcat(words, "The quick brown fox jumps over the lazy dog. ");
  snprintf(text, sizeof text,
           "{\"id\": \"chatcmpl-1\", \"object\": \"chat.completion\", \"created\": 1741569952, \"model\": \"m\", \"choices\": "
           "[{\"index\": 0, \"message\": {\"role\": \"assistant\", \"content\": \"%s\", \"refusal\": null, \"annotations\": []}, "
           "\"logprobs\": null, \"finish_reason\": \"stop\"}], "
           "\"usage\": {\"prompt_tokens\": 19, \"completion_tokens\": 101, \"total_tokens\": 120}}",
           words);
  append_text(&body, text);
  chat = answer(body);
  append_text(&stream_head, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int place = 0; place < CHUNKS; place++) {
    snprintf(text, sizeof text,
             "data: {\"id\": \"chatcmpl-1\", \"object\": \"chat.completion.chunk\", \"created\": 1741569952, \"model\": \"m\", "
             "\"usage\": null, \"choices\": [{\"index\": 0, \"delta\": {\"content\": \"word%d \"}, \"logprobs\": null, "
             "\"finish_reason\": %s}]}\n\n",
             place, place == CHUNKS - 1 ? "\"stop\"" : "null");
    chunks[place] = chunk(text);
  }
  chunks[CHUNKS] = chunk("data: [DONE]\n\n");
  append_text(&chunks[CHUNKS], "0\r\n\r\n");
  append(&held, stream_head.data, stream_head.size);
  append(&held, chunks[0].data, chunks[0].size);
  append(&whole_stream, stream_head.data, stream_head.size);
  for (int place = 0; place <= CHUNKS; place++) append(&whole_stream, chunks[place].data, chunks[place].size);
}

static void pace(Connection *connection) {
  connection->before = NULL;
  connection->after = paced;
  if (paced) paced->before = connection;
  paced = connection;
  connection->chunk = 0;
  connection->due = now() + PACE_US;
}

static void unpace(Connection *connection) {
  if (connection->chunk < 0) return;
  if (connection->before) connection->before->after = connection->after;
  else paced = connection->after;
  if (connection->after) connection->after->before = connection->before;
  connection->chunk = -1;
}

/* Freed at the end of the turn, since this turn's events may still name the connection. */
static void hang_up(Connection *connection) {
  unpace(connection);
  close(connection->socket);
  connection->closed = 1;
  connection->after = closed;
  closed = connection;
}

static void watch(Connection *connection, int writing) {
  struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = connection};
  if (connection->writing == writing) return;
  connection->writing = writing;
  epoll_ctl(poller, EPOLL_CTL_MOD, connection->socket, &event);
}

static int flush(Connection *connection) {
  Bytes *unsent = &connection->unsent;
  while (unsent->size) {
    ssize_t sent = send(connection->socket, unsent->data, unsent->size, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN) return 0;
      watch(connection, 1);
      return 1;
    }
    unsent->data += sent;
    unsent->size -= (size_t)sent;
  }
  watch(connection, 0);
  return 1;
}

static int asks_for(const char *body, size_t size, const char *model) {
  char tight[32], spaced[32];
  snprintf(tight, sizeof tight, "\"model\":\"%s\"", model);
  snprintf(spaced, sizeof spaced, "\"model\": \"%s\"", model);
  return memmem(body, size, tight, strlen(tight)) || memmem(body, size, spaced, strlen(spaced));
}

static int texts_of(const char *body, size_t size) {
  static const char text[] = "The quick brown fox";
  int count = 0;
  for (const char *place = body; (place = memmem(place, size - (size_t)(place - body), text, sizeof text - 1)); place++) count++;
  return count < TEXTS ? count : TEXTS;
}

/* Answer the requests that are there in whole, one after the other; 0 when the connection is lost. */
static int serve(Connection *connection) {
  while (connection->size && !connection->unsent.size && connection->chunk < 0) {
    char *end = memmem(connection->read, connection->size, "\r\n\r\n", 4), *length;
    size_t head, body;
    if (!end) return 1;
    head = (size_t)(end - connection->read) + 4;
    *end = 0;
    length = strcasestr(connection->read, "\r\ncontent-length:");
    *end = '\r';
    body = length ? strtoul(length + 17, NULL, 10) : 0;
    if (connection->size < head + body) return 1;
    if (asks_for(connection->read + head, body, "chat")) connection->unsent = chat;
    else if (asks_for(connection->read + head, body, "stream")) connection->unsent = whole_stream;
    else if (asks_for(connection->read + head, body, "held")) connection->unsent = held;
    else if (asks_for(connection->read + head, body, "paced")) {
      connection->unsent = stream_head;
      pace(connection);
    } else connection->unsent = embeddings_of(texts_of(connection->read + head, body));
    connection->size -= head + body;
    memmove(connection->read, connection->read + head + body, connection->size);
    if (!flush(connection)) return 0;
  }
  return 1;
}

static int receive(Connection *connection) {
  for (;;) {
    ssize_t size;
    if (connection->capacity - connection->size < READ / 2) {
      connection->capacity = connection->capacity ? 2 * connection->capacity : READ;
      connection->read = realloc(connection->read, connection->capacity);
    }
    size = recv(connection->socket, connection->read + connection->size, connection->capacity - connection->size - 1, 0);
    if (size == 0) return 0;
    if (size < 0) return errno == EAGAIN && serve(connection);
    connection->size += (size_t)size;
    connection->read[connection->size] = 0;
    if (connection->size < connection->capacity - 1) return serve(connection);
  }
}

static void welcome(int listener) {
  int one = 1, socket;
  while ((socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    Connection *connection = calloc(1, sizeof *connection);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connection->socket = socket;
    connection->chunk = -1;
    epoll_ctl(poller, EPOLL_CTL_ADD, socket, &event);
  }
}

static void send_due(void) {
  int64_t time = now();
  for (Connection *connection = paced, *next; connection; connection = next) {
    next = connection->after;
    if (connection->due > time || connection->unsent.size) continue;
    connection->unsent = chunks[connection->chunk];
    connection->due += PACE_US;
    if (connection->chunk == CHUNKS) unpace(connection);
    else connection->chunk++;
    if (!flush(connection) || !serve(connection)) hang_up(connection);
  }
}

static int listening(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (bind(listener, (void *)&address, size) || listen(listener, 4096)) {
    perror("listen");
    exit(1);
  }
  getsockname(listener, (void *)&address, &size);
  printf("listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

int main(void) {
  struct rlimit files;
  struct epoll_event event = {.events = EPOLLIN}, events[512];
  int listener;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  make_vectors();
  make_answers();
  listener = listening();
  poller = epoll_create1(0);
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int count = epoll_wait(poller, events, 512, paced ? 1 : -1);
    for (int place = 0; place < count; place++) {
      Connection *connection = events[place].data.ptr;
      if (!connection) welcome(listener);
      else if (connection->closed) continue;
      else if (events[place].events & (EPOLLIN | EPOLLERR | EPOLLHUP) && !receive(connection)) hang_up(connection);
      else if (events[place].events & EPOLLOUT && (!flush(connection) || !serve(connection))) hang_up(connection);
    }
    send_due();
    while (closed) {
      Connection *next = closed->after;
      free(closed->read);
      free(closed);
      closed = next;
    }
  }
}
