package tokenizer

// The small files of a Hugging Face folder: tokenizer_config.json,
// special_tokens_map.json, config.json.

import "strconv"

// config reads tokenizer_config.json.
func (h *folder) config(r *jsonReader, names map[string]string) {
	r.object(func(key []byte) {
		if r.peek() == 'n' && r.null() {
			return
		}
		switch string(key) {
		case "add_bos_token":
			h.addBOS = new(r.bool())
		case "add_eos_token":
			h.addEOS = new(r.bool())
		case "add_prefix_space":
			h.addSpace = new(r.bool())
		case "tokenizer_class":
			h.class = string(r.str())
		case "chat_template":
			h.template = r.chatTemplate()
		case "added_tokens_decoder":
			r.object(func(key []byte) {
				id, err := strconv.ParseInt(string(key), 10, 32)
				if err != nil {
					r.fail("added_tokens_decoder: %.40q is no id", key)
					return
				}
				h.added = append(h.added, r.addedToken(int32(id)))
			})
		default:
			r.special(key, names)
		}
	})
}

// special reads the token of a key such as "bos_token": its text, or an object
// that has it. Files read earlier count.
func (r *jsonReader) special(key []byte, names map[string]string) {
	switch k := string(key); k {
	case "bos_token", "eos_token", "unk_token", "pad_token":
		name := ""
		switch r.peek() {
		case '"':
			name = string(r.str())
		case '{':
			r.object(func(key []byte) {
				if string(key) == "content" {
					name = string(r.str())
				} else {
					r.skip()
				}
			})
		default:
			r.skip()
		}
		if names[k] == "" && name != "" {
			names[k] = name
		}
	default:
		r.skip()
	}
}

// chatTemplate reads a text, or a list of which the one named "default" counts.
func (r *jsonReader) chatTemplate() (template string) {
	if r.peek() != '[' {
		return string(r.str())
	}
	r.array(func() {
		name, text := "", ""
		r.object(func(key []byte) {
			switch string(key) {
			case "name":
				name = string(r.str())
			case "template":
				text = string(r.str())
			default:
				r.skip()
			}
		})
		if name == "default" || template == "" {
			template = text
		}
	})
	return template
}

// network reads config.json, also the text part of a model with several.
func (h *folder) network(r *jsonReader) {
	if h.ids == nil {
		h.ids = map[string]int32{}
	}
	r.object(func(key []byte) {
		if r.peek() == 'n' && r.null() {
			return
		}
		switch k := string(key); k {
		case "model_type":
			if kind := string(r.str()); h.modelType == "" {
				h.modelType = kind
			}
		case "bos_token_id", "eos_token_id", "pad_token_id":
			if c := r.peek(); c >= '0' && c <= '9' {
				h.ids[k] = r.int32()
			} else {
				r.skip() // several
			}
		case "text_config":
			h.network(r)
		default:
			r.skip()
		}
	})
}
