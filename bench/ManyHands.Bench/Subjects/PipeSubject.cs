using System.Diagnostics;
using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>A pipe between this process and one that answers, or that takes what comes.</summary>
internal sealed class PipeSubject : Subject
{
    private const int MebiByte = 1024 * 1024;

    public PipeSubject(Options options)
        : base("pipe", options)
    {
        Contender python = Contender.Python("multiprocessing.Pipe", "pipes.py");
        (Measurement Ours, Measurement Theirs) small = Both(Ours, python, "16", 20_000, count => AnswersAsync(16, count));
        (Measurement Ours, Measurement Theirs) kib = Both(Ours, python, "kib", 20_000, count => AnswersAsync(1024, count));
        (Measurement Ours, Measurement Theirs) mib = Both(Ours, python, "mib", 1_000, FlowAsync);
        (Measurement Ours, Measurement Theirs) pinned = Both(Ours.OnOneCore(), python.OnOneCore(), "16", 20_000, count => AnswersAsync(16, count));
        (Measurement Ours, Measurement Theirs) pinnedKib = Both(Ours.OnOneCore(), python.OnOneCore(), "kib", 20_000, count => AnswersAsync(1024, count));
        (Measurement Ours, Measurement Theirs) pinnedMib = Both(Ours.OnOneCore(), python.OnOneCore(), "mib", 1_000, FlowAsync);
        Rounds = 3;

        Compare("SharedPipe, 16 bytes there and back, p50", "µs", small.Ours["p50"], small.Theirs["p50"], Goal.AtMostOneIn(20));
        Compare("SharedPipe, 16 bytes there and back, p99", "µs", small.Ours["p99"], small.Theirs["p99"]);
        Compare("SharedPipe, 1 KiB there and back, p50", "µs", kib.Ours["p50"], kib.Theirs["p50"]);
        Compare("SharedPipe, messages of 1 MiB", "GB/s", mib.Ours.Value, mib.Theirs.Value);
        Compare("SharedPipe, 16 bytes there and back, all on one core, p50", "µs", pinned.Ours["p50"], pinned.Theirs["p50"]);
        Compare("SharedPipe, 1 KiB there and back, all on one core, p50", "µs", pinnedKib.Ours["p50"], pinnedKib.Theirs["p50"]);
        Compare("SharedPipe, messages of 1 MiB, all on one core", "GB/s", pinnedMib.Ours.Value, pinnedMib.Theirs.Value);

        (Measurement Ours, Measurement Theirs) Both(Contender ours, Contender theirs, string what, int count, Func<int, Task<Dictionary<string, double>>> measure) =>
            (Measure(ours, what, count, measure), Measure(theirs, what, count));
    }

    private static async Task<Dictionary<string, double>> AnswersAsync(int size, int count)
    {
        (SharedPipeEnd<byte[]> here, SharedPipeEnd<byte[]> there) = SharedPipe.CreateDuplex<byte[]>();
        await using WorkerProcess child = WorkerProcess.Start(Answer, there, size);
        there.Dispose();
        using (here)
            return Figures.Percentiles(Ask(here, size, count));
    }

    private static double[] Ask(SharedPipeEnd<byte[]> pipe, int size, int count)
    {
        Span<byte> message = new byte[size];
        double[] samples = new double[count];
        for (int i = 0; i < count; i++)
        {
            message[0] = (byte)i;
            long begin = Stopwatch.GetTimestamp();
            pipe.Send(message);
            int length = pipe.Receive(message);
            samples[i] = Timing.Microseconds(begin, Stopwatch.GetTimestamp());
            Figures.Check((size, (byte)i), (length, message[0]), "The answer");
        }

        return samples;
    }

    private static void Answer(SharedPipeEnd<byte[]> pipe, int size)
    {
        using SharedPipeEnd<byte[]> own = pipe;
        Span<byte> message = new byte[size];
        try
        {
            while (true)
                pipe.Send(message[..pipe.Receive(message)]);
        }
        catch (EndOfStreamException)
        {
            // Nobody asks any more.
        }
    }

    private static async Task<Dictionary<string, double>> FlowAsync(int count)
    {
        (SharedPipeEnd<byte[]> here, SharedPipeEnd<byte[]> there) = SharedPipe.CreateDuplex<byte[]>(capacity: 4);
        await using WorkerProcess child = WorkerProcess.Start(Take, there, count);
        there.Dispose();
        using (here)
        {
            byte[] message = new byte[MebiByte];
            here.Send(message.AsSpan());
            Figures.Check(1, here.Receive(message.AsSpan()), "The length of the first word back");
            return Figures.Of(await Timing.RateAsync((double)count * MebiByte / 1e9, () =>
            {
                for (int i = 0; i < count; i++)
                    here.Send(message.AsSpan());
                Figures.Check(1, here.Receive(message.AsSpan()), "The length of the last word back");
                return Task.CompletedTask;
            }));
        }
    }

    private static void Take(SharedPipeEnd<byte[]> pipe, int count)
    {
        using SharedPipeEnd<byte[]> own = pipe;
        byte[] message = new byte[MebiByte];
        for (int i = 0; i <= count; i++)
        {
            Figures.Check(MebiByte, pipe.Receive(message.AsSpan()), "The length");
            if (i == 0 || i == count)
                pipe.Send([1]);
        }
    }
}
