/* make_volume UBI NAME BYTES: a dynamic UBI volume, as ubimkvol makes it. */
#include <fcntl.h>
#include <mtd/ubi-user.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

int main(int argc, char** argv) {
  struct ubi_mkvol_req request = {.vol_id = UBI_VOL_NUM_AUTO, .alignment = 1, .vol_type = UBI_DYNAMIC_VOLUME};
  if (argc != 4 || strlen(argv[2]) > UBI_MAX_VOLUME_NAME) return 2;
  request.bytes = strtoll(argv[3], NULL, 10);
  request.name_len = (short)strlen(argv[2]);
  memcpy(request.name, argv[2], (size_t)request.name_len);
  if (ioctl(open(argv[1], O_RDONLY), UBI_IOCMKVOL, &request) == 0) return 0;
  perror(argv[1]);
  return 1;
}
