// Package pickle reads the few Python pickles that come with published data
// sets, and nothing else.
//
// A pickle is a program for a stack machine that may call whatever it names.
// This decoder knows the opcodes that lists, tuples, dictionaries, small integers
// and short strings are made of, and the three globals of a numpy array of no
// dimensions that holds one object. Everything else is an error that names the
// byte it stands at; nothing is ever called. A hostile pickle costs no more than a
// multiple of its size in memory and time.
//
//	v, err := pickle.Decode(data, 0)
//	list, ok := v.(*pickle.List)
//
// What Python's values become:
//
//	None          nil
//	False         bool
//	int           int64 (of at most 32 bits)
//	str (bytes)   string, the bytes as they are
//	list          *List
//	tuple         *Tuple
//	dict          *Dict, in the order of the pickle
//	numpy array   *Array
package pickle
