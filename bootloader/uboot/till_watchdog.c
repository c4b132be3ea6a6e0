#include "bootloader/uboot/till_watchdog.h"

#include <common.h>
#include <dm.h>
#include <wdt.h>

int till_watchdog_start(u32 timeout_ms) {
#if IS_ENABLED(CONFIG_WDT)
  struct udevice* device;
  const int error = uclass_get_device(UCLASS_WDT, 0, &device);
  return error != 0 ? error : wdt_start(device, timeout_ms, 0);
#else
  return -ENODEV;
#endif
}
