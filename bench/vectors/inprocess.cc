/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The graph beside hnswlib and faiss: the same vectors in the same order, the same M and
 * ef_construction, one thread, one process; everything interleaved and in CPU time, so that what else
 * the machine does hits all alike. Prints Markdown, or with --json what bench/vectors.py reads.
 *
 *   vectors_inprocess [--n N] [--dim D] [--queries Q] [--k K] [--m M] [--efc EF] [--metric l2|cosine]
 *                     [--base FILE.fvecs [--query FILE.fvecs]] [--rounds R] [--int8]
 *                     [--libraries cairn,hnswlib,faiss] [--ef EF,...] [--json] [--write DIR]
 *
 * --write: only write the vectors to DIR/base.fvecs and DIR/query.fvecs, for others to read.
 * Without --base: a mixture of Gaussians, each with 16 directions in which it is wide, as embeddings
 * of texts have; clusters are of different sizes. Recall is by distance against an exact scan, so
 * that ties count. Rates at a recall are interpolated between the values of ef beside it.
 */
#include "bench/vectors/cairn_graph.h"

#include <faiss/IndexHNSW.h>
#include <hnswlib/hnswlib.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

struct options {
    size_t n = 100000, dim = 128, queries = 10000, k = 10, m = 16, efc = 200, rounds = 3;
    bool cosine = false, int8 = false, json = false;
    std::string base, query, write, libraries = "cairn,hnswlib,faiss";
    std::vector<size_t> efs = {10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480};
};

using matrix = std::vector<float>;

/* Seconds this thread has been running: what others do meanwhile does not count. */
static double now()
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- data ---- */

static void synthesize(const options &o, matrix &base, matrix &query)
{
    enum { CLUSTERS = 200, WIDE = 16 };
    std::mt19937 rng(42);
    std::normal_distribution<float> normal;
    matrix centres(CLUSTERS * o.dim), axes((size_t)CLUSTERS * WIDE * o.dim);
    for (float &x : centres)
        x = normal(rng);
    for (float &x : axes)
        x = normal(rng) / std::sqrt((float)WIDE);
    std::vector<double> sizes(CLUSTERS);
    for (int c = 0; c < CLUSTERS; c++)
        sizes[c] = 1.0 / (10 + c);
    std::discrete_distribution<int> cluster(sizes.begin(), sizes.end());
    auto fill = [&](matrix &out, size_t n) {
        out.resize(n * o.dim);
        for (size_t i = 0; i < n; i++) {
            int c = cluster(rng);
            float *v = &out[i * o.dim];
            for (size_t d = 0; d < o.dim; d++)
                v[d] = centres[c * o.dim + d] * 0.7f + normal(rng) * 0.1f;
            for (int a = 0; a < WIDE; a++) {
                float z = normal(rng);
                const float *axis = &axes[((size_t)c * WIDE + a) * o.dim];
                for (size_t d = 0; d < o.dim; d++)
                    v[d] += z * axis[d];
            }
        }
    };
    fill(base, o.n);
    fill(query, o.queries);
}

static matrix read_fvecs(const std::string &path, size_t &dim, size_t most)
{
    FILE *file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) {
        std::fprintf(stderr, "cannot open %s\n", path.c_str());
        std::exit(1);
    }
    matrix all;
    int32_t d;
    while (all.size() < most * dim && std::fread(&d, sizeof d, 1, file) == 1) {
        dim = (size_t)d;
        all.resize(all.size() + dim);
        if (std::fread(&all[all.size() - dim], sizeof(float), dim, file) != dim)
            break;
    }
    std::fclose(file);
    return all;
}

static void write_fvecs(const std::string &path, const matrix &all, size_t dim)
{
    FILE *file = std::fopen(path.c_str(), "wb");
    int32_t d = (int32_t)dim;
    bool good = file != nullptr;
    for (size_t i = 0; good && i < all.size(); i += dim)
        good = std::fwrite(&d, sizeof d, 1, file) == 1 &&
               std::fwrite(&all[i], sizeof(float), dim, file) == dim;
    if (file == nullptr || std::fclose(file) != 0 || !good) {
        std::fprintf(stderr, "cannot write %s\n", path.c_str());
        std::exit(1);
    }
}

static void normalize(matrix &all, size_t dim)
{
    for (size_t i = 0; i < all.size(); i += dim) {
        float square = 0;
        for (size_t d = 0; d < dim; d++)
            square += all[i + d] * all[i + d];
        float factor = square > 0 ? 1 / std::sqrt(square) : 0;
        for (size_t d = 0; d < dim; d++)
            all[i + d] *= factor;
    }
}

static float distance(const options &o, const float *a, const float *b)
{
    float sum = 0;
    if (o.cosine) {
#pragma omp simd reduction(+ : sum)
        for (size_t d = 0; d < o.dim; d++)
            sum -= a[d] * b[d];
        return sum;
    }
#pragma omp simd reduction(+ : sum)
    for (size_t d = 0; d < o.dim; d++)
        sum += (a[d] - b[d]) * (a[d] - b[d]);
    return sum;
}

/* ---- libraries ---- */

struct library {
    std::string name;
    std::function<void(const float *, size_t)> add;
    std::function<size_t(const float *, size_t, size_t, uint32_t *)> search; /* k, ef */
    std::function<uint64_t()> scanned = [] { return (uint64_t)0; };
    bool counts = false;       /* distances */
    std::vector<double> built; /* seconds, of each slice */
    std::vector<uint32_t> ids; /* k for each query, of the last searches */
    std::vector<size_t> found; /* how many of them there are */
    std::vector<double> recall, visits;
    std::vector<std::vector<double>> spent; /* seconds of each slice of queries, for each ef */

    double build_s() const
    {
        return std::accumulate(built.begin(), built.end(), 0.0);
    }
};

/* Queries are searched for in so many parts, each by every library in turn. */
enum { PARTS = 5, PART_SLICES = 10 };

static library make_cairn(const options &o)
{
    cairn_graph *graph =
        cairn_graph_open((unsigned)o.dim, o.cosine ? 0 : 1, o.int8, (unsigned)o.m, (unsigned)o.efc);
    library l;
    l.name = "cairn";
    l.counts = true;
    l.add = [=](const float *v, size_t n) {
        for (size_t i = 0; i < n; i++)
            cairn_graph_add(graph, v + i * o.dim);
    };
    l.search = [=](const float *v, size_t k, size_t ef, uint32_t *ids) {
        return cairn_graph_search(graph, v, k, ef, ids);
    };
    l.scanned = [=] { return cairn_graph_scanned(graph); };
    return l;
}

static library make_hnswlib(const options &o)
{
    hnswlib::SpaceInterface<float> *space =
        o.cosine ? (hnswlib::SpaceInterface<float> *)new hnswlib::InnerProductSpace(o.dim)
                 : new hnswlib::L2Space(o.dim);
    auto *graph = new hnswlib::HierarchicalNSW<float>(space, o.n, o.m, o.efc);
    auto next = std::make_shared<size_t>(0);
    library l;
    l.name = "hnswlib";
    l.add = [=](const float *v, size_t n) {
        for (size_t i = 0; i < n; i++)
            graph->addPoint(v + i * o.dim, (*next)++);
    };
    l.search = [=](const float *v, size_t k, size_t ef, uint32_t *ids) {
        graph->setEf(ef);
        auto found = graph->searchKnn(v, k);
        size_t n = found.size();
        for (size_t i = n; i-- > 0; found.pop())
            ids[i] = (uint32_t)found.top().second;
        return n;
    };
    return l;
}

static library make_faiss(const options &o)
{
    auto *index = new faiss::IndexHNSWFlat(
        (int)o.dim, (int)o.m, o.cosine ? faiss::METRIC_INNER_PRODUCT : faiss::METRIC_L2);
    index->hnsw.efConstruction = (int)o.efc;
    library l;
    l.name = "faiss";
    l.add = [=](const float *v, size_t n) { index->add((faiss::Index::idx_t)n, v); };
    l.search = [=](const float *v, size_t k, size_t ef, uint32_t *ids) {
        std::vector<float> distances(k);
        std::vector<faiss::Index::idx_t> labels(k);
        index->hnsw.efSearch = (int)ef;
        index->search(1, v, (faiss::Index::idx_t)k, distances.data(), labels.data());
        size_t n = 0;
        for (; n < k && labels[n] >= 0; n++)
            ids[n] = (uint32_t)labels[n];
        return n;
    };
    return l;
}

/* ---- measuring ---- */

static void build(const options &o, std::vector<library> &libraries, const matrix &base)
{
    size_t slice = std::max<size_t>(1, o.n / 20);
    for (size_t i = 0; i < o.n; i += slice)
        for (library &l : libraries) {
            double from = now();
            l.add(&base[i * o.dim], std::min(slice, o.n - i));
            l.built.push_back(now() - from);
        }
}

/* The distance of the k-th nearest to each query. */
static std::vector<float> exact(const options &o, const matrix &base, const matrix &query)
{
    std::vector<float> farthest(o.queries);
#pragma omp parallel for num_threads(omp_get_num_procs())
    for (size_t q = 0; q < o.queries; q++) {
        std::vector<float> all(o.n);
        for (size_t i = 0; i < o.n; i++)
            all[i] = distance(o, &base[i * o.dim], &query[q * o.dim]);
        std::nth_element(all.begin(), all.begin() + (long)o.k - 1, all.end());
        farthest[q] = all[o.k - 1];
    }
    return farthest;
}

/* The best of the rounds counts of each slice. */
static void measure_times(const options &o, std::vector<library> &libraries, const matrix &query,
                          size_t ef)
{
    for (library &l : libraries) {
        l.spent.emplace_back();
        l.ids.resize(o.queries * o.k);
        l.found.resize(o.queries);
        l.scanned();
    }
    for (size_t s = 0; s < PARTS * PART_SLICES; s++) {
        size_t from = o.queries * s / (PARTS * PART_SLICES);
        size_t to = o.queries * (s + 1) / (PARTS * PART_SLICES);
        std::vector<double> best(libraries.size(), 1e30);
        for (size_t i = 0; i < libraries.size() * o.rounds; i++) {
            size_t which = i % libraries.size();
            library &l = libraries[which];
            double begun = now();
            for (size_t q = from; q < to; q++)
                l.found[q] = l.search(&query[q * o.dim], o.k, ef, &l.ids[q * o.k]);
            best[which] = std::min(best[which], now() - begun);
        }
        for (size_t which = 0; which < libraries.size(); which++)
            libraries[which].spent.back().push_back(best[which]);
    }
}

/* Of what was found last. */
static void measure_recall(const options &o, library &l, const matrix &base, const matrix &query,
                           const std::vector<float> &farthest)
{
    size_t right = 0;
    for (size_t q = 0; q < o.queries; q++)
        for (size_t j = 0; j < l.found[q]; j++)
            right += distance(o, &base[l.ids[q * o.k + j] * o.dim], &query[q * o.dim]) <=
                     farthest[q] + 1e-6f * std::fabs(farthest[q]);
    l.recall.push_back((double)right / (double)(o.queries * o.k));
    l.visits.push_back((double)l.scanned() / (double)(o.queries * o.rounds));
}

/* Searches per second at the ef-th ef, of one part of the queries or of all (PARTS). */
static double rate(const options &o, const library &l, size_t ef, size_t part)
{
    size_t from = part < PARTS ? part * PART_SLICES : 0;
    size_t slices = part < PARTS ? PART_SLICES : PARTS * PART_SLICES;
    auto first = l.spent[ef].begin() + (long)from;
    size_t queries = o.queries * (from + slices) / (PARTS * PART_SLICES) -
                     o.queries * from / (PARTS * PART_SLICES);
    return (double)queries / std::accumulate(first, first + (long)slices, 1e-12);
}

/* Interpolated on the logarithm of what is missed; 0 if it is never reached. */
static double rate_at(const options &o, const library &l, double recall, size_t part = PARTS)
{
    for (size_t i = 0; i < l.recall.size(); i++) {
        if (l.recall[i] < recall)
            continue;
        if (i == 0)
            return rate(o, l, 0, part);
        auto missed = [](double r) { return std::log(std::max(1e-6, 1 - r)); };
        double share = (missed(l.recall[i - 1]) - missed(recall)) /
                       (missed(l.recall[i - 1]) - missed(l.recall[i]));
        return std::exp(std::log(rate(o, l, i - 1, part)) * (1 - share) +
                        std::log(rate(o, l, i, part)) * share);
    }
    return 0;
}

static void report(const options &o, const std::vector<library> &libraries)
{
    std::printf("%zu x %zu, %s, M %zu, ef_construction %zu, %zu queries, k %zu, one thread\n\n",
                o.n, o.dim, o.cosine ? "cosine" : "l2", o.m, o.efc, o.queries, o.k);
    std::printf("| | inserts/s | QPS at recall 0.90 | 0.95 | 0.99 |\n|---|---|---|---|---|\n");
    for (const library &l : libraries)
        std::printf("| %s | %.0f | %.0f | %.0f | %.0f |\n", l.name.c_str(),
                    (double)o.n / l.build_s(), rate_at(o, l, 0.90), rate_at(o, l, 0.95),
                    rate_at(o, l, 0.99));
    for (size_t i = 1; i < libraries.size() && libraries[0].name == "cairn"; i++) {
        const library &a = libraries[0], &b = libraries[i];
        auto ratio = [](double x, double y) { return y > 0 ? x / y : 0; };
        std::printf("| cairn / %s | %.2f | %.2f | %.2f | %.2f |\n", b.name.c_str(),
                    ratio(b.build_s(), a.build_s()),
                    ratio(rate_at(o, a, 0.90), rate_at(o, b, 0.90)),
                    ratio(rate_at(o, a, 0.95), rate_at(o, b, 0.95)),
                    ratio(rate_at(o, a, 0.99), rate_at(o, b, 0.99)));
    }
    std::printf("\n| ef |");
    for (const library &l : libraries)
        std::printf(" %s recall | QPS |%s", l.name.c_str(), l.counts ? " distances |" : "");
    std::printf("\n|---|");
    for (const library &l : libraries)
        std::printf("---|---|%s", l.counts ? "---|" : "");
    for (size_t e = 0; e < o.efs.size(); e++) {
        std::printf("\n| %zu |", o.efs[e]);
        for (const library &l : libraries) {
            std::printf(" %.4f | %.0f |", l.recall[e], rate(o, l, e, PARTS));
            if (l.counts)
                std::printf(" %.0f |", l.visits[e]);
        }
    }
    std::printf("\n");
}

/* The members of a JSON array. */
static void print_array(const char *name, size_t n, const std::function<double(size_t)> &of)
{
    std::printf("\"%s\": [", name);
    for (size_t i = 0; i < n; i++)
        std::printf("%s%.9g", i > 0 ? ", " : "", of(i));
    std::printf("]");
}

/* Of each library: seconds of every slice of the inserts; by ef: recall and searches per second;
 * searches per second at a recall, of every part of the queries. */
static void report_json(const options &o, const std::vector<library> &libraries)
{
    std::printf("{\"n\": %zu, \"dim\": %zu, \"queries\": %zu, \"k\": %zu, ", o.n, o.dim, o.queries,
                o.k);
    print_array("ef", o.efs.size(), [&](size_t i) { return (double)o.efs[i]; });
    std::printf(", \"libraries\": {");
    for (const library &l : libraries) {
        std::printf("%s\n\"%s\": {", &l == &libraries[0] ? "" : ",", l.name.c_str());
        print_array("built_s", l.built.size(), [&](size_t i) { return l.built[i]; });
        std::printf(", ");
        print_array("recall", o.efs.size(), [&](size_t i) { return l.recall[i]; });
        std::printf(", ");
        print_array("per_sec", o.efs.size(), [&](size_t i) { return rate(o, l, i, PARTS); });
        std::printf(", \"at\": {");
        for (const char *at : {"0.90", "0.95", "0.99"}) {
            std::printf("%s", std::strcmp(at, "0.90") == 0 ? "" : ", ");
            print_array(at, PARTS, [&](size_t i) { return rate_at(o, l, std::atof(at), i); });
        }
        std::printf("}}");
    }
    std::printf("}}\n");
}

static std::vector<size_t> parse_list(const char *text)
{
    std::vector<size_t> all;
    for (char *end; *text != 0; text = *end == ',' ? end + 1 : end) {
        all.push_back(std::strtoull(text, &end, 10));
        if (end == text) {
            std::fprintf(stderr, "--ef %s: no number\n", text);
            std::exit(2);
        }
    }
    return all;
}

static options parse(int argc, char **argv)
{
    options o;
    for (int i = 1; i < argc; i++) {
        std::string name = argv[i];
        if (name == "--int8" || name == "--json") {
            (name == "--json" ? o.json : o.int8) = true;
            continue;
        }
        if (i + 1 == argc) {
            std::fprintf(stderr, "%s: unknown, or without a value\n", argv[i]);
            std::exit(2);
        }
        const char *value = argv[++i];
        size_t number = std::strtoull(value, nullptr, 10);
        if (name == "--n")
            o.n = number;
        else if (name == "--dim")
            o.dim = number;
        else if (name == "--queries")
            o.queries = number;
        else if (name == "--k")
            o.k = number;
        else if (name == "--m")
            o.m = number;
        else if (name == "--efc")
            o.efc = number;
        else if (name == "--rounds")
            o.rounds = number;
        else if (name == "--metric")
            o.cosine = std::strcmp(value, "cosine") == 0;
        else if (name == "--base")
            o.base = value;
        else if (name == "--query")
            o.query = value;
        else if (name == "--write")
            o.write = value;
        else if (name == "--ef")
            o.efs = parse_list(value);
        else if (name == "--libraries")
            o.libraries = value;
        else {
            std::fprintf(stderr, "%s: unknown option\n", name.c_str());
            std::exit(2);
        }
    }
    return o;
}

int main(int argc, char **argv)
{
    options o = parse(argc, argv);
    omp_set_num_threads(1);
    matrix base, query;
    if (o.base.empty()) {
        synthesize(o, base, query);
    } else {
        base = read_fvecs(o.base, o.dim, o.n + (o.query.empty() ? o.queries : 0));
        if (o.query.empty()) { /* the last ones are the queries */
            o.queries = std::min(o.queries, base.size() / o.dim / 10);
            query.assign(base.end() - (long)(o.queries * o.dim), base.end());
            base.resize(base.size() - o.queries * o.dim);
        } else {
            query = read_fvecs(o.query, o.dim, o.queries);
        }
        o.n = base.size() / o.dim;
        o.queries = query.size() / o.dim;
    }
    if (!o.write.empty()) {
        write_fvecs(o.write + "/base.fvecs", base, o.dim);
        write_fvecs(o.write + "/query.fvecs", query, o.dim);
        return 0;
    }
    if (o.cosine) {
        normalize(base, o.dim);
        normalize(query, o.dim);
    }
    o.efs.erase(std::remove_if(o.efs.begin(), o.efs.end(), [&](size_t ef) { return ef < o.k; }),
                o.efs.end());
    std::vector<library> libraries;
    if (o.libraries.find("cairn") != std::string::npos)
        libraries.push_back(make_cairn(o));
    if (o.libraries.find("hnswlib") != std::string::npos)
        libraries.push_back(make_hnswlib(o));
    if (o.libraries.find("faiss") != std::string::npos)
        libraries.push_back(make_faiss(o));
    build(o, libraries, base);
    std::vector<float> farthest = exact(o, base, query);
    for (size_t ef : o.efs) {
        measure_times(o, libraries, query, ef);
        for (library &l : libraries)
            measure_recall(o, l, base, query, farthest);
    }
    if (o.json)
        report_json(o, libraries);
    else
        report(o, libraries);
    return 0;
}
