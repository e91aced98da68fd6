// The two objects of an array of numpy, and how large a value is.

package pickle

import (
	"errors"
	"fmt"
	"slices"
)

// reduce makes an array that is still empty, or its type.
func (d *decoder) reduce() error {
	v, err := d.pop()
	if err != nil {
		return err
	}
	callable, err := d.pop()
	if err != nil {
		return err
	}
	args, ok := v.(*Tuple)
	if !ok {
		return fmt.Errorf("arguments are %s, not a tuple", kind(v))
	}
	switch callable {
	case reconstruct:
		if len(args.Items) == 3 && args.Items[0] == ndarray && isTuple(args.Items[1], int64(0)) && args.Items[2] == "b" {
			d.push(&Array{node: node{at: d.op}})
			return nil
		}
		return errors.New("_reconstruct of anything but (ndarray, (0,), 'b')")
	case dtypeGlobal:
		if isTuple(args, objectType, int64(0), int64(1)) {
			d.push(&dtype{node: node{at: d.op}})
			return nil
		}
		return errors.New("a type of numpy other than " + objectType)
	}
	return fmt.Errorf("a call of %s", kind(callable))
}

// build gives an array, or its type, its state.
func (d *decoder) build() error {
	v, err := d.pop()
	if err != nil {
		return err
	}
	object, err := d.top()
	if err != nil {
		return err
	}
	state, ok := v.(*Tuple)
	if !ok {
		return fmt.Errorf("the state is %s, not a tuple", kind(v))
	}
	switch object := object.(type) {
	case *dtype:
		// Version, order of bytes, no fields, no sizes, flags.
		if object.built || !isTuple(state, int64(3), "|", nil, nil, nil, int64(-1), int64(-1), int64(63)) {
			return errors.New("the state of a type is not that of " + objectType)
		}
		object.built = true
		return nil
	case *Array:
		// Version, shape, type, whether in Fortran's order, values.
		if object.built || len(state.Items) != 5 || state.Items[0] != int64(1) || !isTuple(state.Items[1]) || state.Items[3] != false {
			return errors.New("the state of an array is not (1, (), type, False, [value])")
		}
		if of, ok := state.Items[2].(*dtype); !ok || !of.built {
			return errors.New("the state of an array has " + kind(state.Items[2]) + " for its type")
		}
		values, ok := state.Items[4].(*List)
		if !ok || len(values.Items) != 1 {
			return errors.New("the state of an array has not one value in a list")
		}
		object.Value, object.built = values.Items[0], true
		return nil
	}
	return fmt.Errorf("a state for %s", kind(object))
}

// isTuple reports whether v is a tuple of exactly these plain values.
func isTuple(v any, want ...any) bool {
	t, ok := v.(*Tuple)
	return ok && slices.Equal(t.Items, want)
}

// measure returns the height of v and the number of values in it, and refuses
// what is too deep, endless or no data. depth is the level that v is at.
func (d *decoder) measure(v any, depth int) (height int, values int64, err error) {
	var n *node
	var parts [][]any
	switch v := v.(type) {
	case nil, bool, int64, string:
		return 0, 1, nil
	case *List:
		n, parts = &v.node, [][]any{v.Items}
	case *Tuple:
		n, parts = &v.node, [][]any{v.Items}
	case *Dict:
		n, parts = &v.node, [][]any{v.Keys, v.Values}
	case *Array:
		n, parts = &v.node, [][]any{{v.Value}}
		if !v.built {
			d.op = v.at
			return 0, 0, errors.New("an array without a state")
		}
	default:
		return 0, 0, fmt.Errorf("%s is no data", kind(v))
	}
	if depth+max(n.height, 1)-1 > maxDepth {
		d.op = n.at
		return 0, 0, fmt.Errorf("containers more than %d deep", maxDepth)
	}
	if n.height > 0 {
		return n.height, n.values, nil
	}
	values = 1
	for _, items := range parts {
		for _, item := range items {
			h, c, err := d.measure(item, depth+1)
			if err != nil {
				return 0, 0, err
			}
			height = max(height, h)
			values = min(values+c, 1<<40) // a sum of what is bounded cannot overflow
		}
	}
	n.height, n.values = height+1, values
	return n.height, n.values, nil
}

// kind names a value in an error.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64:
		return "a number"
	case string:
		return "a string"
	case *List:
		return "a list"
	case *Tuple:
		return "a tuple"
	case *Dict:
		return "a dictionary"
	case *Array:
		return "an array"
	case *dtype:
		return "a type of numpy"
	case global:
		return "the global " + string(v)
	}
	return fmt.Sprintf("a %T", v)
}
