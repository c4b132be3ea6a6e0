// The handlers of the Management API, one resource per .cc file of the same name. What each answers is hawkBit's
// contract (docs/ddi-and-mgmt.md lists the endpoints); routes.cc binds them.
#pragma once

#include "server/mgmt/api.h"

namespace till::mgmt {

namespace user_info {
Result<Response> Get(const Call& call);
}
namespace configs {
Result<Response> List(const Call& call);
Result<Response> PutAll(const Call& call);
Result<Response> Get(const Call& call);
Result<Response> Put(const Call& call);
Result<Response> Delete(const Call& call);
}  // namespace configs
namespace types {
Result<Response> ListModuleTypes(const Call& call);
Result<Response> GetModuleType(const Call& call);
Result<Response> ListSetTypes(const Call& call);
Result<Response> GetSetType(const Call& call);
Result<Response> ListTargetTypes(const Call& call);
}  // namespace types
namespace targets {
Result<Response> List(const Call& call);
Result<Response> Create(const Call& call);
Result<Response> Get(const Call& call);
Result<Response> Update(const Call& call);
Result<Response> Delete(const Call& call);
Result<Response> DeleteNamed(const Call& call);  // ?q=controllerid==NAME: also of a name that no URL can carry
Result<Response> Attributes(const Call& call);
Result<Response> AssignedSet(const Call& call);
Result<Response> InstalledSet(const Call& call);
Result<Response> Assign(const Call& call);
Result<Response> ListMetadata(const Call& call);
Result<Response> AddMetadata(const Call& call);
Result<Response> GetMetadata(const Call& call);
Result<Response> PutMetadata(const Call& call);
Result<Response> DeleteMetadata(const Call& call);
Result<Response> AutoConfirm(const Call& call);
Result<Response> ActivateAutoConfirm(const Call& call);
Result<Response> DeactivateAutoConfirm(const Call& call);
}  // namespace targets
namespace actions {
Result<Response> ListAll(const Call& call);
Result<Response> GetAny(const Call& call);
Result<Response> EraseAny(const Call& call);
Result<Response> ListOfTarget(const Call& call);
Result<Response> Get(const Call& call);
Result<Response> Update(const Call& call);
Result<Response> Cancel(const Call& call);
Result<Response> Confirm(const Call& call);
Result<Response> Statuses(const Call& call);
}  // namespace actions
namespace modules {
Result<Response> List(const Call& call);
Result<Response> Create(const Call& call);
Result<Response> Get(const Call& call);
Result<Response> Update(const Call& call);
Result<Response> Delete(const Call& call);
Result<Response> Artifacts(const Call& call);
Result<Response> GetArtifact(const Call& call);
Result<Response> DeleteArtifact(const Call& call);
Result<Response> ListMetadata(const Call& call);
Result<Response> AddMetadata(const Call& call);
Result<Response> GetMetadata(const Call& call);
Result<Response> PutMetadata(const Call& call);
Result<Response> DeleteMetadata(const Call& call);
}  // namespace modules
namespace sets {
Result<Response> List(const Call& call);
Result<Response> Create(const Call& call);
Result<Response> Get(const Call& call);
Result<Response> Update(const Call& call);
Result<Response> Delete(const Call& call);
Result<Response> Modules(const Call& call);
Result<Response> AddModules(const Call& call);
Result<Response> RemoveModule(const Call& call);
Result<Response> AssignedTargets(const Call& call);
Result<Response> InstalledTargets(const Call& call);
Result<Response> Assign(const Call& call);
Result<Response> ListMetadata(const Call& call);
Result<Response> AddMetadata(const Call& call);
Result<Response> GetMetadata(const Call& call);
Result<Response> PutMetadata(const Call& call);
Result<Response> DeleteMetadata(const Call& call);
}  // namespace sets
namespace rollouts {
Result<Response> List(const Call& call);
Result<Response> Create(const Call& call);
Result<Response> Get(const Call& call);
Result<Response> Delete(const Call& call);
Result<Response> Start(const Call& call);
Result<Response> Pause(const Call& call);
Result<Response> Resume(const Call& call);
Result<Response> Stop(const Call& call);
Result<Response> Approve(const Call& call);
Result<Response> Deny(const Call& call);
Result<Response> TriggerNextGroup(const Call& call);
Result<Response> Groups(const Call& call);
Result<Response> GetGroup(const Call& call);
Result<Response> GroupTargets(const Call& call);
}  // namespace rollouts

}  // namespace till::mgmt
