/* Asks one server for COUNT ranges of SIZE bytes of an object on one keep-alive connection, and throws the bodies away
   without copying them: edge_ranges.py PORT PATH OBJECT_BYTES SIZE COUNT. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int Fail(const char* what) {
  perror(what);
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const uint64_t object_bytes = strtoull(argv[3], NULL, 10);
  const uint64_t size = strtoull(argv[4], NULL, 10);
  const long count = strtol(argv[5], NULL, 10);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = -1;
  for (int i = 0; i < 200; ++i) { /* it may still be starting */
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr*)&address, sizeof(address)) == 0) break;
    close(fd);
    fd = -1;
    usleep(20000);
  }
  if (fd < 0) return Fail("connect");
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  static char head[1 << 16];
  static char body[1 << 20];
  uint64_t seed = 1;
  for (long i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    const uint64_t first = size >= object_bytes ? 0 : (seed >> 20) % (object_bytes - size);
    char range[80] = "";
    if (size < object_bytes) {
      snprintf(range, sizeof(range), "Range: bytes=%llu-%llu\r\n", (unsigned long long)first,
               (unsigned long long)(first + size - 1));
    }
    const int length = snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: bench\r\n%s\r\n", argv[2], range);
    if (send(fd, head, (size_t)length, 0) != length) return Fail("send");
    /* The head is looked at, then taken, so that what is left is the body alone. */
    size_t head_bytes = 0;
    while (head_bytes == 0) {
      const ssize_t got = recv(fd, head, sizeof(head) - 1, MSG_PEEK);
      if (got <= 0) return Fail("recv");
      head[got] = 0;
      const char* end = strstr(head, "\r\n\r\n");
      if (end != NULL) head_bytes = (size_t)(end - head) + 4;
    }
    if (strncmp(head, "HTTP/1.1 20", 11) != 0) return fprintf(stderr, "%.60s\n", head), 1;
    if (recv(fd, head, head_bytes, MSG_WAITALL) != (ssize_t)head_bytes) return Fail("recv");
    uint64_t left = size < object_bytes ? size : object_bytes;
    while (left > 0) {
      const ssize_t got = recv(fd, body, left < sizeof(body) ? left : sizeof(body), MSG_TRUNC);
      if (got <= 0) return Fail("recv");
      left -= (uint64_t)got;
    }
  }
  close(fd);
  return 0;
}
