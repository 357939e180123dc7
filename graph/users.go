package graph

import (
	"math"
	"slices"

	"fovea/backend"
)

// users remembers where memory is used, so that a pass need not look through all
// instructions to know who reads what. It leads from a root to positions, in order.
// Some may be out of date, and are found out when they are looked at; none is missing,
// because enter is called wherever an instruction gets a new place or operand.
type users struct {
	reading, writing map[*Node][]int
}

// all is no limit to how many positions are wanted.
const all = math.MaxInt

// enter notes what the instruction at a position uses.
func (c *compiler) enter(at int) {
	for _, o := range c.code[at].op.Operands() {
		index := c.users.of(o.Access)
		root := c.rootOf(*o.View)
		index[root] = insert(index[root], at)
	}
}

// of returns the index that an operand belongs to. One that is added to is written
// alone: reading it belongs to its making.
func (u *users) of(a backend.Access) map[*Node][]int {
	if a.Writes() {
		return u.writing
	}
	return u.reading
}

// insert adds a position to a sorted list.
func insert(list []int, at int) []int {
	i, found := slices.BinarySearch(list, at)
	if found {
		return list
	}
	return slices.Insert(list, i, at)
}

// merge lets the memory of one root be that of another.
func (c *compiler) merge(from, into *Node) {
	c.storage[from] = into
	into = c.root(into)
	for _, index := range []map[*Node][]int{c.users.reading, c.users.writing} {
		for _, at := range index[from] {
			index[into] = insert(index[into], at)
		}
		delete(index, from)
	}
}

// readers lists the positions of the first instructions that read the memory of n, at
// most so many. One that adds to it does not count: it belongs to its making.
func (c *compiler) readers(n *Node, most int) []int { return c.first(backend.Read, n, most) }

// writers lists the positions of the first instructions that write the memory of n, at
// most so many: more than one where some add to what the first has left.
func (c *compiler) writers(n *Node, most int) []int { return c.first(backend.Write, n, most) }

// soleReader returns the one instruction that reads the memory of n, which is not
// seen from outside; −1 if there is not exactly one.
func (c *compiler) soleReader(n *Node) int {
	if c.pinned[n] {
		return -1
	}
	if at := c.readers(n, 2); len(at) == 1 {
		return at[0]
	}
	return -1
}

// writer returns the position of the first instruction that writes the memory of
// n, −1 for leaves.
func (c *compiler) writer(n *Node) int {
	if at := c.writers(n, 1); len(at) > 0 {
		return at[0]
	}
	return -1
}

// first looks positions up, and forgets those that are out of date.
func (c *compiler) first(a backend.Access, n *Node, most int) []int {
	index := c.users.of(a)
	list := index[n]
	var found []int
	seen, stale := 0, 0
	for ; seen < len(list) && len(found) < most; seen++ {
		at := list[seen]
		if c.uses(at, a, n) {
			found = append(found, at)
			list[seen-stale] = at
		} else {
			stale++
		}
	}
	if stale > 0 {
		index[n] = append(list[:seen-stale], list[seen:]...)
	}
	return found
}

// uses reports whether the instruction at a position reads or writes the memory of n.
func (c *compiler) uses(at int, a backend.Access, n *Node) bool {
	if c.code[at] == nil {
		return false
	}
	for _, o := range c.code[at].op.Operands() {
		if o.Access.Writes() == a.Writes() && c.rootOf(*o.View) == n {
			return true
		}
	}
	return false
}
