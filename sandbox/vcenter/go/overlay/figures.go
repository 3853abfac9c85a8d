package simulator

// Figures: samples of a thing's counters set from outside, in place of the shipped made-up ones.

import (
	"fmt"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

type figure struct {
	entity  types.ManagedObjectReference
	counter int32
}

var (
	figuresMutex sync.Mutex
	figures      = map[figure]int64{}
)

// SetFigure lets every sample of a counter, such as "cpu.usage.average", have this value on one thing.
func SetFigure(entity types.ManagedObjectReference, counter string, value int64) error {
	manager := Map.Get(*Map.content().PerfManager).(*PerformanceManager)
	for _, info := range manager.PerfCounter {
		name := info.GroupInfo.GetElementDescription().Key + "." + info.NameInfo.GetElementDescription().Key
		if name+"."+string(info.RollupType) == counter {
			figuresMutex.Lock()
			figures[figure{entity, info.Key}] = value
			figuresMutex.Unlock()
			return nil
		}
	}
	return fmt.Errorf("no counter %s", counter)
}

func isSet(entity types.ManagedObjectReference, counter int32) bool {
	figuresMutex.Lock()
	defer figuresMutex.Unlock()
	_, ok := figures[figure{entity, counter}]
	return ok
}

// samplesOf are the shipped samples, or the one that was set.
func samplesOf(entity types.ManagedObjectReference, counter int32, shipped []int64) []int64 {
	figuresMutex.Lock()
	defer figuresMutex.Unlock()
	if value, ok := figures[figure{entity, counter}]; ok {
		return []int64{value}
	}
	return shipped
}
