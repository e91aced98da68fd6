// What a pickle holds: containers, their order kept.

package pickle

// List is a Python list.
type List struct {
	Items []any
	node
}

// Tuple is a Python tuple.
type Tuple struct {
	Items []any
	node
}

// Dict is a Python dictionary. Keys[i] belongs to Values[i]; keys are nil, bool,
// int64 or string, and none occurs twice.
type Dict struct {
	Keys, Values []any
	index        map[any]int
	node
}

// Get returns the value of a key.
func (d *Dict) Get(key any) (any, bool) {
	i, ok := d.index[key]
	if !ok {
		return nil, false
	}
	return d.Values[i], true
}

// set appends a pair; it fails if the key is there or cannot be one.
func (d *Dict) set(key, value any) error {
	switch key.(type) {
	case nil, bool, int64, string:
	default:
		return errKey
	}
	if _, ok := d.index[key]; ok {
		return errTwice
	}
	if d.index == nil {
		d.index = map[any]int{}
	}
	d.index[key] = len(d.Keys)
	d.Keys = append(d.Keys, key)
	d.Values = append(d.Values, value)
	return nil
}

// Array is a numpy array of no dimensions and of type object: one value.
type Array struct {
	Value any
	built bool
	node
}

// global is a name out of a module; dtype is the only type an array may have.
type (
	global string
	dtype  struct {
		built bool
		node
	}
)

// node is what the decoder remembers of a value that may hold others.
type node struct {
	at     int   // where it was made
	height int   // levels of containers, its own included; 0 = not known yet
	values int64 // it and all below it, each counted as often as it is reached
}
