#include "server/mgmt/resources.h"

namespace till::mgmt::user_info {

Result<Response> Get(const Call& call) {
  json::Value body = json::Value::Object();
  body.Set("tenant", call.hub.tenant).Set("username", call.who.name);
  return JsonAnswer(200, body);
}

}  // namespace till::mgmt::user_info
