using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>What two processes can do here in plain C, under our figures of the same run.</summary>
internal sealed class FloorSubject : Subject
{
    public FloorSubject(Options options, StartSubject start, CallSubject call, ThroughputSubject throughput, PayloadSubject payload)
        : base("floor", options)
    {
        Measurement fork = Measure(Contender.Floor.Named("C: fork, exit, wait"), "fork", 200);
        Measurement futex = Measure(Contender.Floor.Named("C: futex ping-pong"), "futex", 20_000);
        Measurement spin = Measure(Contender.Floor.Named("C: futex ping-pong that spins first"), "spin", 100_000);
        Measurement ring = Measure(Contender.Floor.Named("C: ring of 8-byte messages, one way"), "ring", 20_000_000);
        Measurement copy = Measure(Contender.Floor.Named("C: memcpy of 64 MiB"), "copy", 9);

        Compare("first line in a waiting worker, p50", "ms", start.Waiting, fork["p50"]);
        Compare("one call, p50, over a wake-up there and back", "µs", call.One, futex["p50"]);
        Compare("one call, p50, over spinning there and back", "µs", call.One, spin["p50"]);
        Compare("calls outstanding, over messages one way", "per s", throughput.Outstanding, ring.Value);
        Compare("64 MiB argument, over one copy", "GB/s", payload.LargeArgument, copy.Value);
    }
}
