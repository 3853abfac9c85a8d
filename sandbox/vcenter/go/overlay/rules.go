package simulator

// Rules steer what happens to calls: slow tasks, faults, lost answers, HTTP errors. All calls are counted.

import (
	"fmt"
	"log"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// Rule says what becomes of the next Count calls of Method (on the object This, if given).
type Rule struct {
	Method       string  `json:"method"`       // "PowerOnVM_Task", or "*"
	This         string  `json:"this"`         // "vm-42", or "" for any object
	Count        int     `json:"count"`        // 0 is for ever
	Delay        float64 `json:"delay"`        // seconds; a task runs that long and takes effect at the end
	Fault        string  `json:"fault"`        // vim25 type name: the call fails
	TaskFault    string  `json:"task_fault"`   // the task ends with this fault and without an effect
	Message      string  `json:"message"`      // what either fault says
	HTTP         int     `json:"http"`         // this status instead of an answer, and no effect
	Drop         bool    `json:"drop"`         // the connection closes without an answer, and no effect
	LoseAnswer   bool    `json:"lose_answer"`  // the call takes effect, then the connection closes
	HoldAnswer   float64 `json:"hold_answer"`  // seconds between the call's effect and its answer
	Uncancelable bool    `json:"uncancelable"` // CancelTask fails with NotSupported
}

func (r Rule) slowsTask(method string) bool {
	return strings.HasSuffix(method, vTaskSuffix) && (r.Delay > 0 || r.TaskFault != "")
}

var (
	rulesMutex sync.Mutex
	rules      []*Rule
	calls      = map[string]int{}
)

// SetRules replaces all rules, or none of them if one names an unknown fault.
func SetRules(list []*Rule) error {
	for _, rule := range list {
		for _, name := range []string{rule.Fault, rule.TaskFault} {
			if _, err := newFault(name, types.ManagedObjectReference{}); name != "" && err != nil {
				return err
			}
		}
	}
	rulesMutex.Lock()
	defer rulesMutex.Unlock()
	rules = list
	return nil
}

// TakeCalls gives the number of calls by method since it was asked last.
func TakeCalls() map[string]int {
	rulesMutex.Lock()
	defer rulesMutex.Unlock()
	taken := calls
	calls = map[string]int{}
	return taken
}

// TakeRule counts a call and gives the rule for it, with its use counted off; an empty one if there is none.
func TakeRule(method, this string) Rule {
	rulesMutex.Lock()
	defer rulesMutex.Unlock()
	calls[method]++
	for i, rule := range rules {
		if (rule.Method == "*" || rule.Method == method) && (rule.This == "" || rule.This == this) {
			if rule.Count == 1 {
				rules = append(rules[:i:i], rules[i+1:]...)
			} else if rule.Count > 0 {
				rule.Count--
			}
			return *rule
		}
	}
	return Rule{}
}

// call stands before the shipped one, which is renamed when the simulator is built.
func (s *Service) call(ctx *Context, method *Method) soap.HasFault {
	if ctx.req == nil { // the simulator's own calls in the process
		return s.shippedCall(ctx, method)
	}
	rule := TakeRule(method.Name, method.This.Value)
	switch {
	case rule.Drop:
		panic(http.ErrAbortHandler)
	case rule.HTTP != 0:
		ctx.refuse(rule.HTTP)
	case rule.Fault != "":
		rule.sleep()
		fault, _ := newFault(rule.Fault, method.This)
		return &serverFaultBody{Reason: Fault(rule.say("injected "+rule.Fault), fault)}
	}
	var answer soap.HasFault
	if rule.slowsTask(method.Name) {
		answer = s.startSlowTask(ctx, method, rule)
	} else {
		rule.sleep()
		answer = s.shippedCall(ctx, method)
		signTask(ctx, answer)
	}
	time.Sleep(time.Duration(rule.HoldAnswer * float64(time.Second)))
	if rule.LoseAnswer {
		panic(http.ErrAbortHandler)
	}
	return answer
}

func (r Rule) say(usual string) string {
	if r.Message != "" {
		return r.Message
	}
	return usual
}

func (r Rule) sleep() { time.Sleep(time.Duration(r.Delay * float64(time.Second))) }

// refuse answers with a bare HTTP status and leaves the handler.
func (c *Context) refuse(status int) {
	c.res.Header().Set("Content-Length", "0")
	c.res.Header().Set("Connection", "close")
	c.res.WriteHeader(status)
	if flusher, ok := c.res.(http.Flusher); ok {
		flusher.Flush()
	}
	panic(http.ErrAbortHandler)
}

// taskOf is the task that a call answered with, if it did.
func taskOf(answer soap.HasFault) *Task {
	if answer.Fault() != nil {
		return nil
	}
	response := reflect.ValueOf(answer).Elem().FieldByName("Res")
	if !response.IsValid() || response.Kind() != reflect.Ptr || response.IsNil() {
		return nil
	}
	value := response.Elem().FieldByName("Returnval")
	if !value.IsValid() || value.Type() != referenceType {
		return nil
	}
	task, _ := Map.Get(value.Interface().(types.ManagedObjectReference)).(*Task)
	return task
}

// signTask names the user who called; the shipped simulator says "vcsim".
func signTask(ctx *Context, answer soap.HasFault) {
	if task := taskOf(answer); task != nil && ctx.Session != nil {
		ctx.Map.WithLock(task, func() {
			ctx.Map.Update(task, []types.PropertyChange{
				{Name: "info.reason", Val: &types.TaskReasonUser{UserName: ctx.Session.UserName}},
			})
		})
	}
}

// ---- slow tasks -----------------------------------------------------------------------------------------

var (
	slowMutex sync.Mutex
	slowTasks = map[types.ManagedObjectReference]chan struct{}{}
)

func isSlowTask(ref types.ManagedObjectReference) bool {
	slowMutex.Lock()
	defer slowMutex.Unlock()
	_, ok := slowTasks[ref]
	return ok
}

func cancelSlowTask(ref types.ManagedObjectReference) {
	slowMutex.Lock()
	defer slowMutex.Unlock()
	if cancel := slowTasks[ref]; cancel != nil {
		close(cancel)
		slowTasks[ref] = nil
	}
}

// taskAnswer is the answer of any method that returns a task.
type taskAnswer struct {
	method string
	task   types.ManagedObjectReference
}

func (*taskAnswer) Fault() *soap.Fault { return nil }

// MarshalXML stands before the shipped one, which needs the generated type of each answer.
func (r *response) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	answer, ok := r.Body.(*taskAnswer)
	if !ok {
		return r.shippedMarshalXML(e, start)
	}
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	value := struct {
		Returnval types.ManagedObjectReference `xml:"returnval"`
	}{answer.task}
	name := xml.Name{Space: "urn:" + r.Namespace, Local: answer.method + "Response"}
	if err := e.EncodeElement(value, xml.StartElement{Name: name}); err != nil {
		return err
	}
	return e.EncodeToken(start.End())
}

// startSlowTask answers with a running task at once; the real call is made, with the caller's session as it
// is now, when the time is over.
func (s *Service) startSlowTask(ctx *Context, method *Method, rule Rule) soap.HasFault {
	if ctx.Session == nil || ctx.Map.Get(method.This) == nil {
		return s.shippedCall(ctx, method) // NotAuthenticated, ManagedObjectNotFound
	}
	name := strings.TrimSuffix(strings.TrimSuffix(method.Name, vTaskSuffix), "VM")
	task := CreateTask(method.This, strings.ToLower(name[:1])+name[1:], nil)
	cancel := make(chan struct{})
	slowMutex.Lock()
	slowTasks[task.Self] = cancel
	slowMutex.Unlock()
	Map.WithLock(task, func() {
		Map.Update(task, []types.PropertyChange{
			{Name: "info.state", Val: types.TaskInfoStateRunning}, {Name: "info.startTime", Val: time.Now()},
			{Name: "info.cancelable", Val: !rule.Uncancelable}, {Name: "info.progress", Val: int32(0)},
			{Name: "info.reason", Val: &types.TaskReasonUser{UserName: ctx.Session.UserName}},
		})
	})
	go s.runSlowTask(ctx.detached(), method, rule, task, cancel)
	return &taskAnswer{method.Name, task.Self}
}

func (s *Service) runSlowTask(ctx *Context, method *Method, rule Rule, task *Task, cancel <-chan struct{}) {
	const steps = 10
	for i := 1; i <= steps; i++ {
		select {
		case <-cancel:
			task.conclude(nil, &types.RequestCanceled{})
			return
		case <-time.After(time.Duration(rule.Delay / steps * float64(time.Second))):
		}
		Map.WithLock(task, func() {
			Map.Update(task, []types.PropertyChange{{Name: "info.progress", Val: int32(i * 100 / steps)}})
		})
	}
	if rule.TaskFault != "" {
		fault, _ := newFault(rule.TaskFault, method.This)
		task.concludeSaying(nil, fault, rule.say(nameFault(fault)))
		return
	}
	if !task.pastCancelling() {
		task.conclude(nil, &types.RequestCanceled{})
		return
	}
	answer := s.shippedCall(ctx, method)
	if fault := answer.Fault(); fault != nil {
		method, ok := fault.VimFault().(types.BaseMethodFault)
		if !ok {
			method = &types.SystemError{Reason: fmt.Sprintf("%T", fault.VimFault())}
		}
		task.conclude(nil, method)
		return
	}
	inner := taskOf(answer)
	if inner == nil {
		log.Printf("%s gave no task", method.Name)
		task.conclude(nil, &types.SystemError{Reason: "no task"})
		return
	}
	if tasks, ok := Map.Get(*Map.content().TaskManager).(*TaskManager); ok {
		tasks.forget(inner.Self) // clients see one task for one call
	}
	if inner.Info.Error != nil {
		task.conclude(nil, inner.Info.Error.Fault)
		return
	}
	task.conclude(inner.Info.Result, nil)
}

// pastCancelling closes the time in which a task can be cancelled; false if it was cancelled already.
func (t *Task) pastCancelling() bool {
	slowMutex.Lock()
	open := slowTasks[t.Self] != nil
	slowTasks[t.Self] = nil
	slowMutex.Unlock()
	if open {
		Map.WithLock(t, func() { Map.Update(t, []types.PropertyChange{{Name: "info.cancelable", Val: false}}) })
	}
	return open
}

func nameFault(fault types.BaseMethodFault) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", fault), "*types.")
}

func (t *Task) conclude(result types.AnyType, fault types.BaseMethodFault) {
	t.concludeSaying(result, fault, nameFault(fault))
}

func (t *Task) concludeSaying(result types.AnyType, fault types.BaseMethodFault, message string) {
	changes := []types.PropertyChange{
		{Name: "info.completeTime", Val: time.Now()}, {Name: "info.cancelable", Val: false},
	}
	if fault != nil {
		changes = append(changes,
			types.PropertyChange{Name: "info.error", Val: types.LocalizedMethodFault{
				Fault: fault, LocalizedMessage: message,
			}},
			types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateError})
	} else {
		changes = append(changes,
			types.PropertyChange{Name: "info.result", Val: result},
			types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateSuccess})
	}
	Map.WithLock(t, func() { Map.Update(t, changes) })
}

// ExpireSessions drops every login, as a restart of vCenter or an idle time-out does.
func ExpireSessions() int {
	manager := Map.SessionManager()
	sessionMutex.Lock()
	defer sessionMutex.Unlock()
	count := len(manager.sessions)
	manager.sessions = make(map[string]Session)
	return count
}
