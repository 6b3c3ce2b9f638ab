// A fake service manager. It binds the given datagram socket (a path, or `@` and an abstract name), prints `ready`, and
// prints each message as one line of hexadecimal digits. It ends when its standard input ends.
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
  // An abstract name ends with the address, and a path ends with a zero byte.
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
