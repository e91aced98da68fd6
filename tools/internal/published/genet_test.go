package published

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netllm/internal/golden"
	"netllm/tensor/safetensors"
	"netllm/tools/internal/tfbundle/bundletest"
)

// checkpoint is a checkpoint as training leaves one, the weights with their optimiser's
// slots beside them and counters; value gives the bytes of a weight by its new name.
func checkpoint(value func(name string, shape []int) []byte) []bundletest.Tensor {
	list := []bundletest.Tensor{{Name: "is_training", DType: 10, Data: []byte{0}}, {Name: "Variable", DType: 1, Data: make([]byte, 4)}}
	for _, scope := range genetScopes {
		for _, layer := range genetLayers {
			weight := slices.Clone(layer.shape)
			if layer.to == "out_fc" {
				weight[1] = scope.outputs
			}
			for _, p := range []struct {
				from, to string
				shape    []int
			}{{"W", "weight", weight}, {"b", "bias", weight[len(weight)-1:]}} {
				name := scope.name + "/" + layer.from + "/" + p.from
				data := value(scope.name+"."+layer.to+"."+p.to, p.shape)
				list = append(list, bundletest.Tensor{Name: name, DType: 1, Shape: p.shape, Data: data},
					bundletest.Tensor{Name: name + "/RMSProp", DType: 1, Shape: p.shape, Data: make([]byte, len(data))})
			}
		}
	}
	return sorted(list)
}

func sorted(list []bundletest.Tensor) []bundletest.Tensor {
	slices.SortFunc(list, func(a, b bundletest.Tensor) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// counted gives every weight a number.
func counted() func(string, []int) []byte {
	n := 0
	return func(_ string, shape []int) []byte {
		size := 1
		for _, d := range shape {
			size *= d
		}
		var b []byte
		for range size {
			n++
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(n)))
		}
		return b
	}
}

// put writes a checkpoint into files.
func put(files map[string]string, name string, tensors []bundletest.Tensor, o bundletest.Options) {
	index, data := bundletest.Bundle(tensors, o)
	files[genetModels+"/"+name+indexSuffix] = string(index)
	files[genetModels+"/"+name+dataSuffix] = string(data)
	files[genetModels+"/"+name+".ckpt.meta"] = "a graph"
}

// TestGenetPublished makes checkpoints of the converted policies, and wants the same
// tensors when they are imported.
func TestGenetPublished(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(golden.Data(t, "abr/genet"), "*.safetensors"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("got %v, %v", paths, err)
	}
	files := map[string]string{}
	want := map[string]*safetensors.File{}
	for _, path := range paths {
		f, err := safetensors.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		name := strings.TrimSuffix(filepath.Base(path), ".safetensors")
		want[name] = f
		put(files, name+"/nn_model_ep_9900", checkpoint(func(tensor string, _ []int) []byte {
			b, err := f.Bytes(tensor)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}), bundletest.Options{})
	}
	c, _ := clone(t, files)
	p := planOf(t, c)
	to := t.TempDir()
	if err := p.Write(t.Context(), to, false, nil); err != nil {
		t.Fatal(err)
	}
	cases := 0
	for name, want := range want {
		got, err := safetensors.Open(filepath.Join(to, "abr/genet", name+".safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		if !slices.Equal(slices.Sorted(slices.Values(got.Names())), slices.Sorted(slices.Values(want.Names()))) {
			t.Errorf("%s: got tensors %v, want %v", name, got.Names(), want.Names())
		}
		for _, info := range want.Tensors() {
			a, err := got.Bytes(info.Name)
			if err != nil {
				t.Fatal(err)
			}
			b, err := want.Bytes(info.Name)
			if err != nil {
				t.Fatal(err)
			}
			other, _ := got.Info(info.Name)
			if !bytes.Equal(a, b) || !slices.Equal(other.Shape, info.Shape) || other.DType != info.DType {
				t.Errorf("%s: %s: got %v %v, want %v %v", name, info.Name, other.DType, other.Shape, info.DType, info.Shape)
			}
			cases++
		}
		source := "TensorFlow bundle " + name + "/nn_model_ep_9900.ckpt"
		if got.Metadata()["source"] != source || got.Metadata()["layout"] != want.Metadata()["layout"] {
			t.Errorf("%s: got metadata %v", name, got.Metadata())
		}
	}
	golden.Cases(t, cases)
}

// TestGenetNewest wants the checkpoint with the highest number, in the order of numbers.
func TestGenetNewest(t *testing.T) {
	files := map[string]string{}
	for _, name := range []string{"a/nn_model_ep_900", "a/nn_model_ep_57400", "a/nn_model_ep_57600", "b/best"} {
		put(files, name, checkpoint(counted()), bundletest.Options{BlockEntries: 7})
	}
	files[genetModels+"/checkpoint"] = "a file beside them"
	files[genetModels+"/c/nothing"] = ""
	c, _ := clone(t, files)
	p := planOf(t, c)
	var from []string
	for _, part := range p.Parts {
		for _, item := range part.Items {
			from = append(from, item.From+" "+item.To)
		}
	}
	want := []string{
		genetModels + "/a/nn_model_ep_57600.ckpt.index abr/genet/a.safetensors",
		genetModels + "/b/best.ckpt.index abr/genet/b.safetensors",
	}
	if !slices.Equal(from, want) {
		t.Errorf("got %q, want %q", from, want)
	}
	if len(p.Notes) != 2 || len(p.Refused) > 0 || !strings.Contains(p.Notes[0], "nn_model_ep_900.ckpt.index\" is left out: nn_model_ep_57600 is newer") {
		t.Errorf("got notes %q, refused %v", p.Notes, p.Refused)
	}
	to := t.TempDir()
	if err := p.Write(t.Context(), to, false, nil); err != nil {
		t.Fatal(err)
	}
	first := contents(t, to)
	if err := p.Write(t.Context(), to, false, nil); err == nil {
		t.Error("replaced unasked")
	}
	if err := planOf(t, c).Write(t.Context(), to, true, nil); err != nil {
		t.Error(err)
	}
	for name, text := range contents(t, to) {
		if text != first[name] {
			t.Errorf("%s: another file the second time", name)
		}
	}
}

// TestGenetRefused wants a bad checkpoint to be refused, and the good one beside it read.
func TestGenetRefused(t *testing.T) {
	model := "bad/nn_model_ep_1"
	find := func(list []bundletest.Tensor, name string) *bundletest.Tensor {
		return &list[slices.IndexFunc(list, func(t bundletest.Tensor) bool { return t.Name == name })]
	}
	for _, c := range []struct {
		name   string
		change func(files map[string]string, list []bundletest.Tensor) []bundletest.Tensor
		want   string
	}{
		{"no tensor", func(_ map[string]string, list []bundletest.Tensor) []bundletest.Tensor {
			find(list, "critic/Conv1D_2/b").Name = "critic/Conv1D_2/b "
			return list
		}, `no tensor "critic/Conv1D_2/b" among its 66`},
		{"another shape", func(_ map[string]string, list []bundletest.Tensor) []bundletest.Tensor {
			x := find(list, "actor/FullyConnected_3/W")
			x.Shape = []int{128, 768}
			return list
		}, `"actor/FullyConnected_3/W": type 1 and shape [128 768], want 1 and [768 128]`},
		{"another type", func(_ map[string]string, list []bundletest.Tensor) []bundletest.Tensor {
			find(list, "actor/FullyConnected_3/W").DType = 3
			return list
		}, `type 3 and shape`},
		{"flipped", func(files map[string]string, list []bundletest.Tensor) []bundletest.Tensor {
			_, data := bundletest.Bundle(list, bundletest.Options{})
			at := 0
			for _, x := range list[:slices.IndexFunc(list, func(t bundletest.Tensor) bool { return t.Name == "critic/FullyConnected_3/W" })] {
				at += len(x.Data)
			}
			data[at] ^= 1
			files[genetModels+"/"+model+dataSuffix] = string(data)
			return list
		}, `checksum is`},
		{"cut", func(files map[string]string, list []bundletest.Tensor) []bundletest.Tensor {
			_, data := bundletest.Bundle(list, bundletest.Options{})
			files[genetModels+"/"+model+dataSuffix] = string(data[:50000])
			return list
		}, `the data have 50000`},
		{"no data", func(files map[string]string, list []bundletest.Tensor) []bundletest.Tensor {
			files[genetModels+"/"+model+dataSuffix] = "no data"
			return list
		}, `data-00000-of-00001: no such file`},
		{"no index", func(files map[string]string, list []bundletest.Tensor) []bundletest.Tensor {
			files[genetModels+"/"+model+indexSuffix] = "version https://git-lfs.github.com/spec/v1, and where the file lies"
			return list
		}, `tensor bundle: magic number`},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, changed := map[string]string{}, map[string]string{}
			put(files, "good/nn_model_ep_1", checkpoint(counted()), bundletest.Options{})
			put(files, model, c.change(changed, checkpoint(counted())), bundletest.Options{})
			for name, text := range changed {
				if files[name] = text; text == "no data" {
					delete(files, name)
				}
			}
			from, _ := clone(t, files)
			p := planOf(t, from)
			got := lines(p.Refused)
			if len(got) != 1 || !strings.Contains(got[0], c.want) || !strings.Contains(got[0], model) {
				t.Errorf("refused: got %q, want one with %q", got, c.want)
			}
			to := t.TempDir()
			if err := p.Write(t.Context(), to, false, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(to, "abr/genet/good.safetensors")); err != nil || p.Files() != 1 {
				t.Errorf("got %v and %d files, want the good one", err, p.Files())
			}
		})
	}
}
