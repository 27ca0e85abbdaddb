package issuer

import (
	"container/heap"
	"fmt"
	"slices"
	"time"
)

// MaxFamilies is how many families a MemoryStore holds, how many revocations, and how many owners with revocations that it no
// longer keeps one by one. A full one takes up to some 500 MB for each of the three.
const MaxFamilies = 1_000_000

// ErrStoreFull: a MemoryStore holds MaxFamilies. No live family is dropped for a new one of another owner. An Issuer returns
// it as authmw.ErrUnavailable.
var ErrStoreFull = fmt.Errorf("issuer: a MemoryStore holds no more than %d families", MaxFamilies)

// table holds entries by their ID, those of each owner, and all of them in the order in which they expire.
type table[T any] struct {
	entries map[string]*entry[T]
	owners  map[string][]*entry[T]
	queue   queue[T]
}

type entry[T any] struct {
	owner, id string
	expires   time.Time
	value     T

	position int       // among its owner's
	queued   int       // in the queue
	due      time.Time // when the queue looks at expires next, which may have changed since
}

// maxExpired is how many entries an add looks at that may have expired. It is more than one, so that they are dropped faster
// than new ones come, and few, so that no call takes long.
const maxExpired = 100

// add adds an entry whose ID is new, and drops entries that have expired.
func (t *table[T]) add(owner, id string, now, expires time.Time, value T) error {
	if t.entries == nil {
		t.entries, t.owners = map[string]*entry[T]{}, map[string][]*entry[T]{}
	}
	for range min(maxExpired, len(t.queue)) {
		first := t.queue[0]
		if !now.After(first.due) {
			break
		}
		if now.After(first.expires) {
			t.remove(first)
		} else {
			first.due = first.expires
			heap.Fix(&t.queue, 0)
		}
	}
	if len(t.entries) >= MaxFamilies {
		return ErrStoreFull
	}
	of := t.owners[owner]
	e := &entry[T]{owner: owner, id: id, position: len(of), expires: expires, due: expires, value: value}
	t.entries[id], t.owners[owner] = e, append(of, e)
	heap.Push(&t.queue, e)
	return nil
}

// expire removes the entries of an owner that have expired.
func (t *table[T]) expire(owner string, now time.Time) {
	for _, e := range slices.Backward(t.owners[owner]) { // remove puts the last one in the place of the removed
		if now.After(e.expires) {
			t.remove(e)
		}
	}
}

func (t *table[T]) remove(e *entry[T]) {
	delete(t.entries, e.id)
	heap.Remove(&t.queue, e.queued)
	of := t.owners[e.owner]
	last := len(of) - 1
	of[e.position] = of[last]
	of[e.position].position = e.position
	of[last] = nil
	switch of = of[:last]; {
	case last == 0:
		delete(t.owners, e.owner)
	case last < cap(of)/4:
		t.owners[e.owner] = slices.Clone(of)
	default:
		t.owners[e.owner] = of
	}
}

// queue is a heap.Interface of entries, in the order in which they are due.
type queue[T any] []*entry[T]

func (q queue[T]) Len() int           { return len(q) }
func (q queue[T]) Less(i, j int) bool { return q[i].due.Before(q[j].due) }

func (q queue[T]) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].queued, q[j].queued = i, j
}

func (q *queue[T]) Push(e any) {
	e.(*entry[T]).queued = len(*q)
	*q = append(*q, e.(*entry[T]))
}

func (q *queue[T]) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return e
}
