/* The least that fan-out can cost: one write(2) per subscriber and event, nothing else.
 *
 * fanout SUBSCRIBERS FRAME_BYTES SNDBUF: listens on a free port of the loopback and prints it. The first
 * connection commands, the others subscribe. Each byte that arrives on the first is a number of events to send.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int accept_one(int listener, int sndbuf) {
    int fd = accept(listener, NULL, NULL);
    int one = 1;
    if (fd < 0)
        fail("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof sndbuf);
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: fanout SUBSCRIBERS FRAME_BYTES SNDBUF\n");
        return 2;
    }
    int count = atoi(argv[1]), size = atoi(argv[2]), sndbuf = atoi(argv[3]);
    int *subscribers = calloc(count, sizeof *subscribers);
    char *frame = malloc(size);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (!subscribers || !frame || listener < 0)
        fail("start");
    memset(frame, 'x', size);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024))
        fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    int control = accept_one(listener, sndbuf);
    for (int i = 0; i < count; i++)
        subscribers[i] = accept_one(listener, sndbuf);

    unsigned char events;
    while (read(control, &events, 1) == 1)
        for (int event = 0; event < events; event++)
            for (int i = 0; i < count; i++)
                if (write(subscribers[i], frame, size) != size)
                    fail("write");
    return 0;
}
