package simulator

// Permissions: what an account may do on an object comes from the nearest object above that has a permission.

import (
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// FetchUserPrivilegeOnEntities stands before the shipped one, which gives everything everywhere. Whoever has a
// permission here has the role Admin; the root folder has one unless a client takes it away.
func (m *AuthorizationManager) FetchUserPrivilegeOnEntities(r *types.FetchUserPrivilegeOnEntities) soap.HasFault {
	admin := object.AuthorizationRoleList(m.RoleList).ByName("Admin").Privilege
	result := new(types.FetchUserPrivilegeOnEntitiesResponse)
	for _, entity := range r.Entities {
		held := types.UserPrivilegeResult{Entity: entity}
		if m.isPermitted(entity) {
			held.Privileges = admin
		}
		result.Returnval = append(result.Returnval, held)
	}
	return &methods.FetchUserPrivilegeOnEntitiesBody{Res: result}
}

func (m *AuthorizationManager) isPermitted(ref types.ManagedObjectReference) bool {
	for {
		if len(m.permissions[ref]) > 0 {
			return true
		}
		entity, ok := Map.Get(ref).(mo.Entity)
		if !ok || entity.Entity().Parent == nil {
			return false
		}
		ref = *entity.Entity().Parent
	}
}
