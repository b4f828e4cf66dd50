// The file of a unix socket. What enters: the path that clients use. What leaves: a socket at that path. What never happens
// here: the removal of a file that is not a socket, of a socket that somebody answers on (unless it is to be taken over),
// or of a successor's socket when we go.
//
// gRPC unlinks the path that it binds, both before binding and at its end. So it is given a name of our own beside the
// path, and the socket is then renamed: one atomic step, after which a successor can do the same without a gap, and gRPC's
// own unlinking finds nothing.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"

/// Does a process accept connections there?
static bool is_answered(const char *path) {
  struct sockaddr_un address;
  memset(&address, 0, sizeof(address));
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof(address.sun_path)) return false;
  memcpy(address.sun_path, path, strlen(path) + 1);
  int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return true;
  int result = connect(descriptor, (const struct sockaddr *)&address, sizeof(address));
  // A full queue means a living listener; a permission that we lack proves nothing, so it counts as one.
  bool answered = result == 0 || (errno != ECONNREFUSED && errno != ENOENT);
  close(descriptor);
  return answered;
}

bool socket_file_prepare(socket_file *file, const char *path, bool take_over, char *error, size_t capacity) {
  struct stat status;
  if (lstat(path, &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) {
      write_error(error, capacity, "cannot listen on `%s`: a file that is not a socket is in the way", path);
      return false;
    }
    if (!take_over && is_answered(path)) {
      write_error(error, capacity, "cannot listen on `%s`: another process answers there", path);
      return false;
    }
  } else if (errno != ENOENT) {
    write_error(error, capacity, "cannot listen on `%s`: %s", path, strerror(errno));
    return false;
  }
  size_t size = strlen(path) + 32;
  file->path = strdup(path);
  file->bound_path = malloc(size);
  if (file->path == NULL || file->bound_path == NULL) {
    write_error(error, capacity, "out of memory");
    return false;
  }
  static atomic_uint sequence;
  snprintf(file->bound_path, size, "%s.%x-%x", path, (unsigned)getpid(), atomic_fetch_add(&sequence, 1U));
  if (strlen(file->bound_path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
    write_error(error, capacity, "cannot listen on `%s`: the path is too long for a unix socket", path);
    return false;
  }
  return true;
}

bool socket_file_publish(socket_file *file, char *error, size_t capacity) {
  struct stat status;
  if (lstat(file->bound_path, &status) != 0 || rename(file->bound_path, file->path) != 0) {
    write_error(error, capacity, "cannot listen on `%s`: %s", file->path, strerror(errno));
    return false;
  }
  file->device = status.st_dev;
  file->inode = status.st_ino;
  return true;
}

void socket_file_remove(socket_file *file) {
  struct stat status;
  if (file->inode != 0 && lstat(file->path, &status) == 0 && status.st_dev == file->device && status.st_ino == file->inode) {
    unlink(file->path);
  }
  free(file->path);
  free(file->bound_path);
}
