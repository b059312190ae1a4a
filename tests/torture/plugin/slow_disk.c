// Preloaded into a server: what it has written takes MADANG_TEST_SYNC_MS to be on the disk.
#include <stdlib.h>
#include <unistd.h>

int fdatasync(int file) {
    const char* ms = getenv("MADANG_TEST_SYNC_MS");
    if (ms) usleep((useconds_t)atoi(ms) * 1000);
    return fsync(file);
}
