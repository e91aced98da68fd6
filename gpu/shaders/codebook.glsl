// The 16 values that a code of IQ4_NL and IQ4_XS stands for (kvalues_iq4nl of ggml-common.h):
//
//	-127 -104 -83 -65 -49 -35 -22 -10   1 13 25 38 53 69 89 113
//
// They are signed bytes in four words, from which selects and a shift pick one: no
// memory is read, and no array indexed by what is not known when compiling.
uint codebookWord(uint code) {
	uint low = (code & 8u) == 0 ? 0xbfad9881u : 0x26190d01u;
	uint high = (code & 8u) == 0 ? 0xf6eaddcfu : 0x71594535u;
	return (code & 4u) == 0 ? low : high;
}

// codebookValue returns the value of a code, 0 to 15.
int codebookValue(uint code) { return bitfieldExtract(int(codebookWord(code)), int(8 * (code & 3u)), 8); }

// codebookBytes returns the values of the four codes that are the bytes of a word.
uint codebookBytes(uint v) {
	uint word = 0;
	for (int i = 0; i < 32; i += 8) {
		uint code = bitfieldExtract(v, i, 4);
		word = bitfieldInsert(word, codebookWord(code) >> (8 * (code & 3u)), i, 8);
	}
	return word;
}
