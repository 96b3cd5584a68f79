#include "measure/spread.h"

#include "base/file.h"
#include "comm/sum.h"

#include <math.h>

/* Within a node, two and four processes on two cores: 10 MB each took 4.6 and 7.2 ms, copies and
 * sums included (MPI through shared memory). */
static const double NODE_BYTES_PER_SECOND = 2.1e9;
enum { MOST_PROCESSES = 4096, STATUS_BYTES = 140 };

/* Partial sums that `own` ranks of all leave, at most: what a process or a node brings to the
 * others. */
static int most_pieces(int all, int own)
{
    RankNode nodes[RANK_NODES_MAX];
    int most = 0;
    for (int first = 0; first < all; first += own) {
        int count = ranks_nodes((Ranks){.all = all, .first = first, .own = own}, nodes);
        most = count > most ? count : most;
    }
    return most;
}

/* Among `count` members, each of which brings so many pieces of `bytes` and ends with their sum:
 * what one of them sends. */
static double sent_by_member(int count, int pieces, double bytes)
{
    return (pieces + 1) * bytes * (count - 1) / count;
}

/* Where the sum of a part, or of all of them, goes: pieces that a process and a node bring. */
typedef struct Way {
    int local, own_pieces, node_pieces;
} Way;

/* The sum of so many elements; adds to *sent what leaves a node. */
static double sum_seconds(const Spread *s, const Way *way, int64_t elements, double *sent)
{
    double bytes = (double)elements * sizeof(float);
    double seconds = sent_by_member(way->local, way->own_pieces, bytes) / NODE_BYTES_PER_SECOND;
    if (s->nodes == 1)
        return seconds;
    double out = sent_by_member(s->nodes, way->node_pieces, bytes);
    *sent += out;
    return seconds + out / s->bandwidth + (way->node_pieces + 1) * (s->nodes - 1) * s->latency;
}

SpreadTime spread_time(const Spread *s)
{
    int own = s->ranks / s->processes, local = s->processes / s->nodes,
        parts = sum_parts(s->gradients);
    Way way = {local, most_pieces(s->ranks, own), most_pieces(s->ranks, own * local)};
    SpreadTime t = {.compute = own * s->rank_seconds};
    double now = 0; /* since the last rank's turn began */
    for (int i = 0; i < parts; i++) {
        double ready = s->ready[i] * s->rank_seconds;
        double took = sum_seconds(s, &way, sum_part(s->gradients, i).count, &t.sent);
        now = (now > ready ? now : ready) + took;
        t.exchange += took;
    }
    t.exposed = now - s->ready[parts] * s->rank_seconds;
    if (s->nodes == 1)
        return t;
    /* Three small collectives that nothing hides: keys, samples, status. */
    double rows = (double)s->row * (double)s->rank_images * s->ranks;
    double small = (rows + (double)STATUS_BYTES * s->processes) * (s->nodes - 1) / s->nodes;
    double seconds = small / s->bandwidth + 3 * ceil(log2(s->processes)) * s->latency;
    t.sent += small;
    t.exchange += seconds;
    t.exposed += seconds;
    return t;
}

static double efficiency(const SpreadTime *t)
{
    return t->compute / (t->compute + t->exposed);
}

static void print_row(const Spread *s, FILE *out)
{
    SpreadTime t = spread_time(s);
    double seconds = t.compute + t.exposed;
    fprintf(out, "%6d %9d %6d %11.1f %11.1f %10.1f %10.1f %7.1f %% %9.1f %% %10.0f\n", s->nodes,
            s->processes, s->ranks, 1e3 * seconds, 1e3 * t.exchange, 1e3 * t.exposed, 1e-6 * t.sent,
            100 * t.exposed / seconds, 100 * efficiency(&t),
            (double)s->rank_images * s->ranks / seconds);
}

/* The same load on so many nodes. */
static Spread on_nodes(const Spread *s, int nodes)
{
    Spread n = *s;
    n.nodes = nodes;
    n.processes = s->processes / s->nodes * nodes;
    n.ranks = s->ranks / s->processes * n.processes;
    return n;
}

static bool goes_on(const Spread *s, int nodes)
{
    return s->processes / s->nodes * nodes <= MOST_PROCESSES;
}

/* ------------------------------------------------------------------------------------ the picture
 */

enum { WIDTH = 640, HEIGHT = 360, LEFT = 60, RIGHT = 20, TOP = 40, BOTTOM = 50 };

static double place_x(const Spread *s, int nodes)
{
    double last = floor(log2((double)MOST_PROCESSES * s->nodes / s->processes));
    return LEFT + (WIDTH - LEFT - RIGHT) * (last > 0 ? log2(nodes) / last : 0);
}

static double place_y(double share)
{
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share);
}

static void draw_axes(const Spread *s, FILE *out)
{
    for (int percent = 0; percent <= 100; percent += 25)
        fprintf(out,
                "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%d %%</text>\n",
                LEFT, WIDTH - RIGHT, place_y(percent / 100.0), place_y(percent / 100.0), LEFT - 8,
                place_y(percent / 100.0) + 4, percent);
    for (int nodes = 1; goes_on(s, nodes); nodes *= 2)
        fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>\n",
                place_x(s, nodes), HEIGHT - BOTTOM + 18, nodes);
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">nodes of %d process%s</text>\n",
            WIDTH / 2, HEIGHT - 10, s->processes / s->nodes, s->processes > s->nodes ? "es" : "");
}

static void draw(const Spread *s, FILE *out)
{
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "font-family=\"sans-serif\" "
            "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
            "<text x=\"%d\" y=\"22\" font-size=\"14\">Predicted efficiency: %.4g Gbit/s, %.4g us, "
            "%.4g ms a rank</text>\n",
            WIDTH, HEIGHT, LEFT, 8e-9 * s->bandwidth, 1e6 * s->latency, 1e3 * s->rank_seconds);
    draw_axes(s, out);
    fprintf(out, "<polyline fill=\"none\" stroke=\"#06c\" stroke-width=\"2\" points=\"");
    for (int nodes = 1; goes_on(s, nodes); nodes *= 2) {
        Spread n = on_nodes(s, nodes);
        SpreadTime t = spread_time(&n);
        fprintf(out, "%.1f,%.1f ", place_x(s, nodes), place_y(efficiency(&t)));
    }
    fprintf(out, "\"/>\n</svg>\n");
}

Status spread_print(const Spread *s, FILE *out, const char *svg)
{
    fprintf(
        out,
        "prediction: %.4g Gbit/s and %.4g us between nodes, %.4g ms a rank, %.1f MB of gradients, "
        "within a node %.2g GB/s through the host's memory; exposed is what no computing hides\n",
        8e-9 * s->bandwidth, 1e6 * s->latency, 1e3 * s->rank_seconds,
        1e-6 * sizeof(float) * (double)s->gradients, 1e-9 * NODE_BYTES_PER_SECOND);
    fprintf(
        out,
        " nodes processes  ranks     step ms exchange ms exposed ms node sends   share efficiency  "
        " images/s\n");
    print_row(s, out);
    fprintf(out, "the same load of each process on other numbers of nodes:\n");
    for (int nodes = 1; goes_on(s, nodes); nodes *= 2) {
        Spread n = on_nodes(s, nodes);
        print_row(&n, out);
    }
    if (!svg)
        return STATUS_OK;
    FileOutput file;
    TRY(file_output_open(&file, svg));
    draw(s, file.file);
    return file_output_close(&file);
}
