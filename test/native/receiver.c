// Stands in for a service manager: binds the datagram socket given (a path, or `@` and an abstract name), says so, and writes
// every message it gets as one line of hexadecimal. Ends with its standard input.
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int count, char **words) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (count != 2 || strlen(words[1]) >= sizeof address.sun_path) return 64;
  size_t length = strlen(words[1]);
  memcpy(address.sun_path, words[1], length);
  int path = address.sun_path[0] != '@';
  if (!path) address.sun_path[0] = 0;
  int server = socket(AF_UNIX, SOCK_DGRAM, 0);
  // The name of an abstract socket ends where the address does, that of a path with a zero.
  if (bind(server, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + length + path) != 0) return 1;
  puts("ready");
  fflush(stdout);
  struct pollfd waiting[] = {{.fd = server, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  while (poll(waiting, 2, -1) > 0 && !waiting[1].revents) {
    unsigned char message[65536];
    ssize_t got = recv(server, message, sizeof message, 0);
    for (ssize_t i = 0; i < got; i++) printf("%02x", message[i]);
    puts("");
    fflush(stdout);
  }
  return 0;
}
