package simulator

// Pages: vCenter hands out long answers of the property collector piece by piece, the shipped simulator does not.

import (
	"strconv"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

var (
	pagingMutex sync.Mutex
	pageSize    int // objects in one answer to a retrieval or an update; 0 is all
	lastToken   int
	pages       = map[string][]types.ObjectContent{}                              // by token
	updatesLeft = map[types.ManagedObjectReference][]types.PropertyFilterUpdate{} // by property collector
	notices     []time.Time
)

// SetPageSize sets how many objects vCenter puts into one answer; a client may ask for fewer.
func SetPageSize(objects int) {
	pagingMutex.Lock()
	defer pagingMutex.Unlock()
	pageSize = objects
}

// TakeNotices gives the times at which updates were handed out since it was asked last.
func TakeNotices() []time.Time {
	pagingMutex.Lock()
	defer pagingMutex.Unlock()
	taken := append([]time.Time{}, notices...)
	notices = nil
	return taken
}

// most is the smaller of what the client asks for and what is set; 0 is no limit.
func most(asked int32) int {
	if asked > 0 && (pageSize == 0 || int(asked) < pageSize) {
		return int(asked)
	}
	return pageSize
}

// cutPage keeps the first page in the result, and the rest under a token.
func cutPage(result *types.RetrieveResult, limit int) {
	if limit == 0 || len(result.Objects) <= limit {
		return
	}
	lastToken++
	result.Token = strconv.Itoa(lastToken)
	pages[result.Token] = result.Objects[limit:]
	result.Objects = result.Objects[:limit]
}

// RetrievePropertiesEx stands before the shipped one, which is renamed when the simulator is built.
func (pc *PropertyCollector) RetrievePropertiesEx(ctx *Context, r *types.RetrievePropertiesEx) soap.HasFault {
	answer := pc.shippedRetrievePropertiesEx(ctx, r)
	body, ok := answer.(*methods.RetrievePropertiesExBody)
	if ok && body.Res != nil && body.Res.Returnval != nil {
		pagingMutex.Lock()
		defer pagingMutex.Unlock()
		cutPage(body.Res.Returnval, most(r.Options.MaxObjects))
	}
	return answer
}

func (pc *PropertyCollector) ContinueRetrievePropertiesEx(
	ctx *Context, r *types.ContinueRetrievePropertiesEx,
) soap.HasFault {
	pagingMutex.Lock()
	defer pagingMutex.Unlock()
	body := &methods.ContinueRetrievePropertiesExBody{}
	rest, ok := pages[r.Token]
	if !ok {
		body.Fault_ = Fault("", &types.InvalidArgument{InvalidProperty: "token"})
		return body
	}
	delete(pages, r.Token)
	result := types.RetrieveResult{Objects: rest}
	cutPage(&result, pageSize)
	body.Res = &types.ContinueRetrievePropertiesExResponse{Returnval: result}
	return body
}

// WaitForUpdatesEx stands before the shipped one: it cuts long updates, and notes when it hands one out.
func (pc *PropertyCollector) WaitForUpdatesEx(ctx *Context, r *types.WaitForUpdatesEx) soap.HasFault {
	var limit int
	pagingMutex.Lock()
	rest := updatesLeft[pc.Self]
	if r.Version == "" {
		rest = nil // the client begins anew
	}
	delete(updatesLeft, pc.Self)
	if r.Options != nil {
		limit = most(r.Options.MaxObjectUpdates)
	}
	pagingMutex.Unlock()

	body := &methods.WaitForUpdatesExBody{Res: &types.WaitForUpdatesExResponse{
		Returnval: &types.UpdateSet{Version: r.Version, FilterSet: rest},
	}}
	if len(rest) == 0 {
		var ok bool
		answer := pc.shippedWaitForUpdatesEx(ctx, r)
		if body, ok = answer.(*methods.WaitForUpdatesExBody); !ok || body.Res == nil || body.Res.Returnval == nil {
			return answer
		}
	}
	pagingMutex.Lock()
	defer pagingMutex.Unlock()
	notices = append(notices, time.Now())
	set := body.Res.Returnval
	now, later := cutUpdates(set.FilterSet, limit)
	set.FilterSet, set.Truncated = now, types.NewBool(len(later) > 0)
	if len(later) > 0 {
		updatesLeft[pc.Self] = later
	}
	return body
}

// cutUpdates splits filters' updates after so many objects.
func cutUpdates(all []types.PropertyFilterUpdate, limit int) (now, later []types.PropertyFilterUpdate) {
	isLimited := limit > 0
	for _, update := range all {
		room := len(update.ObjectSet)
		if isLimited && room > limit {
			room = limit
		}
		first, second := update, update
		first.ObjectSet, second.ObjectSet = update.ObjectSet[:room], update.ObjectSet[room:]
		if len(first.ObjectSet) > 0 && len(later) == 0 {
			now = append(now, first)
			limit -= room
		}
		if len(second.ObjectSet) > 0 {
			later = append(later, second)
		}
	}
	return now, later
}

// moveChild puts a child into another folder; the shipped code takes it out of the inventory meanwhile, which
// clients see as its end.
func moveChild(ctx *Context, from, to *mo.Folder, child mo.Entity) {
	self := child.Reference()
	ctx.WithLock(from, func() { RemoveReference(&from.ChildEntity, self) })
	ctx.WithLock(to, func() { to.ChildEntity = append(to.ChildEntity, self) })
	ctx.WithLock(child, func() {
		ctx.Map.Update(child, []types.PropertyChange{{Name: "parent", Val: &to.Self}})
	})
}
