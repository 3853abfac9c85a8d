package main

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// control serves /_sim/, by which tests steer the simulator, and hands everything else on. It asks for the
// vCenter's own user and password.
type control struct {
	service        *simulator.Service
	user, password string
	next           http.Handler
}

func (c *control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, "/_sim/") {
		c.serve(w, r)
		return
	}
	user, password, _ := r.BasicAuth()
	if user != c.user || subtle.ConstantTimeCompare([]byte(password), []byte(c.password)) != 1 {
		http.Error(w, "wrong user or password", http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodPost {
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	answer, err := c.answer(strings.TrimPrefix(r.URL.Path, "/_sim/"), json.NewDecoder(r.Body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// serve passes a call on; on the REST service rules are for its actions, such as "rest:attach".
func (c *control) serve(w http.ResponseWriter, r *http.Request) {
	action := r.URL.Query().Get("~action")
	if !strings.HasPrefix(r.URL.Path, "/rest/") || action == "" {
		c.next.ServeHTTP(w, r)
		return
	}
	rule := simulator.TakeRule("rest:"+action, "")
	time.Sleep(time.Duration(rule.Delay * float64(time.Second)))
	switch {
	case rule.Drop:
		panic(http.ErrAbortHandler)
	case rule.HTTP != 0:
		w.WriteHeader(rule.HTTP)
	case rule.LoseAnswer:
		c.next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	default:
		c.next.ServeHTTP(w, r)
	}
}

func machine(id string) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "VirtualMachine", Value: id}
}

// seconds turns a JSON number into a time to obey; a negative one is never.
func seconds(number *float64) *time.Duration {
	if number == nil {
		return nil
	}
	duration := simulator.Never
	if *number >= 0 {
		duration = time.Duration(*number * float64(time.Second))
	}
	return &duration
}

func (c *control) answer(what string, body *json.Decoder) (interface{}, error) {
	switch what {
	case "rules":
		var rules []*simulator.Rule
		body.DisallowUnknownFields()
		if err := body.Decode(&rules); err != nil {
			return nil, err
		}
		return nil, simulator.SetRules(rules)
	case "calls":
		return simulator.TakeCalls(), nil
	case "notices":
		return simulator.TakeNotices(), nil
	case "page":
		var asked struct{ Objects int }
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		simulator.SetPageSize(asked.Objects)
		return nil, nil
	case "expire":
		return simulator.ExpireSessions(), nil
	case "alarm":
		var asked struct{ Type, ID, Alarm, Status string }
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		ref := types.ManagedObjectReference{Type: asked.Type, Value: asked.ID}
		return nil, simulator.SetAlarm(ref, asked.Alarm, types.ManagedEntityStatus(asked.Status))
	case "event":
		var asked struct{ Kind, Type, ID, User, Text string }
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		ref := types.ManagedObjectReference{Type: asked.Type, Value: asked.ID}
		return nil, simulator.RaiseEvent(asked.Kind, ref, asked.User, asked.Text)
	case "vms":
		var asked struct{ Wanted string }
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return simulator.Machines(asked.Wanted), nil
	case "effects":
		var asked struct{ Type, ID string }
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return simulator.Effects(types.ManagedObjectReference{Type: asked.Type, Value: asked.ID}), nil
	case "create":
		var asked simulator.NewMachine
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return c.service.CreateMachine(asked)
	case "guest":
		var asked struct {
			ID                            string
			Tools, Address, Customization *string
			Shutdown, Reboot              *float64
		}
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return nil, simulator.SetGuest(machine(asked.ID), simulator.Behavior{
			Tools: asked.Tools, Address: asked.Address, Customization: asked.Customization,
			Shutdown: seconds(asked.Shutdown), Reboot: seconds(asked.Reboot),
		})
	case "snapshot":
		var asked struct {
			ID, Snapshot string
			Age          *float64
			Size         *int64
			Name         *string
		}
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return nil, simulator.SetSnapshot(machine(asked.ID), asked.Snapshot, seconds(asked.Age), asked.Size, asked.Name)
	case "consolidation":
		var asked struct {
			ID     string
			Needed bool
		}
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return nil, simulator.SetConsolidation(machine(asked.ID), asked.Needed)
	case "hotadd":
		var asked struct {
			ID string
			On bool
		}
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return nil, simulator.SetHotAdd(machine(asked.ID), asked.On)
	case "space":
		var asked struct {
			Datastore      string
			Free, Capacity int64
		}
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return nil, simulator.SetSpace(asked.Datastore, asked.Free, asked.Capacity)
	case "maintenance":
		var asked struct {
			Host string
			On   bool
		}
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return nil, simulator.SetMaintenance(asked.Host, asked.On)
	case "devices":
		var asked struct {
			ID        string
			Kinds     []string
			Datastore string
		}
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return nil, simulator.SetDevices(machine(asked.ID), asked.Kinds, asked.Datastore)
	case "localstore":
		var asked struct{ Host, Name string }
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return nil, c.service.MakeLocalStore(asked.Host, asked.Name)
	case "rule":
		var asked simulator.PlacementRule
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return nil, simulator.SetRule(asked)
	case "drs":
		var asked struct{ Cluster, VM, Behavior string }
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return nil, simulator.SetDRS(asked.Cluster, asked.VM, asked.Behavior)
	case "figure":
		var asked struct {
			Type, ID, Counter string
			Value             int64
		}
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		ref := types.ManagedObjectReference{Type: asked.Type, Value: asked.ID}
		return nil, simulator.SetFigure(ref, asked.Counter, asked.Value)
	case "question":
		var asked struct {
			ID       string
			Question simulator.Question
		}
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return nil, simulator.SetQuestion(machine(asked.ID), asked.Question)
	case "uuid":
		var asked struct{ ID, UUID string }
		if err := body.Decode(&asked); err != nil {
			return nil, err
		}
		return nil, simulator.SetBiosUUID(machine(asked.ID), asked.UUID)
	}
	return nil, fmt.Errorf("no such control: %s", what)
}
