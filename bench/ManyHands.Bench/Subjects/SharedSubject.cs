using System.Diagnostics;
using System.Threading.Channels;
using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>What processes share: a queue between them, and what guards.</summary>
internal sealed class SharedSubject : Subject
{
    private const double MebiByte = 1024 * 1024;

    public SharedSubject(Options options)
        : base("shared", options)
    {
        Contender python = Contender.Python("multiprocessing", "shared.py");
        (Measurement Ours, Measurement Theirs) text = Both("text-1", 1_000_000, count => FlowAsync(1, "hello", count));
        (Measurement Ours, Measurement Theirs) texts = Both("text-4", 1_000_000, count => FlowAsync(4, "hello", count));
        (Measurement Ours, Measurement Theirs) kib = Both("kib", 200_000, count => FlowAsync(1, new byte[1024], count));
        (Measurement Ours, Measurement Theirs) mib = Both("mib", 300, async count => Figures.Of((await FlowAsync(1, new byte[(int)MebiByte], count))["value"] * MebiByte / 1e9));
        Measurement channel = Measure(Ours.Named("Channel, in process"), "channel", 1_000_000, ChannelAsync);
        (Measurement Ours, Measurement Theirs) enter = Both("lock", 1_000_000, LockAsync);
        Measurement mutex = Measure(Contender.Floor.Named("C: robust pthread mutex"), "mutex", 10_000_000);
        (Measurement Ours, Measurement Theirs) semaphore = Both("semaphore", 300_000, SemaphoreAsync);
        (Measurement Ours, Measurement Theirs) increment = Both("increment", 1_000_000, IncrementAsync);
        Rounds = 3;

        Compare("SharedQueue of 5-byte strings, 1 writer", "items/s", text.Ours.Value, text.Theirs.Value, Goal.AtLeast(40));
        Compare("SharedQueue of 5-byte strings, 4 writers", "items/s", texts.Ours.Value, texts.Theirs.Value, Goal.AtLeast(40));
        Compare("SharedQueue of 1 KiB", "items/s", kib.Ours.Value, kib.Theirs.Value, Goal.AtLeast(15));
        Compare("SharedQueue of 1 MiB", "GB/s", mib.Ours.Value, mib.Theirs.Value, Goal.AtLeast(10));
        Compare("SharedQueue of 5-byte strings, beside a channel", "items/s", text.Ours.Value, channel.Value);
        Compare("SharedLock, entered and left, nobody else there", "ns", enter.Ours.Value, mutex.Value, Goal.AtMost(2));
        Compare("SharedLock, entered and left, beside Lock", "ns", enter.Ours.Value, enter.Theirs.Value);
        Compare("SharedSemaphore, taken and given back", "ns", semaphore.Ours.Value, semaphore.Theirs.Value);
        Compare("SharedValue, incremented", "ns", increment.Ours.Value, increment.Theirs.Value);

        (Measurement Ours, Measurement Theirs) Both(string what, int count, Func<int, Task<Dictionary<string, double>>> measure) =>
            (Measure(Ours, what, count, measure), Measure(python, what, count));
    }

    private static async Task<Dictionary<string, double>> FlowAsync<T>(int writers, T item, int count)
    {
        using SharedQueue<T> queue = new();
        await using Pool pool = Pool.Processes(writers);
        await pool.WarmUpAsync();
        int each = count / writers;
        Task[] writing = [.. Enumerable.Range(0, writers).Select(_ => pool.RunAsync(Put, queue, item, each))];
        queue.Dequeue();
        long begin = Stopwatch.GetTimestamp();
        for (int i = 1; i < each * writers; i++)
            queue.Dequeue();
        double rate = (count - 1) / Stopwatch.GetElapsedTime(begin).TotalSeconds;
        await Task.WhenAll(writing);
        Figures.Check(0L, queue.Count, "What is left in the queue");
        return Figures.Of(rate);
    }

    private static void Put<T>(SharedQueue<T> queue, T item, int count)
    {
        for (int i = 0; i < count; i++)
            queue.Enqueue(item);
    }

    private static async Task<Dictionary<string, double>> ChannelAsync(int count)
    {
        Channel<string> channel = Channel.CreateUnbounded<string>();
        Task writing = Task.Run(() =>
        {
            for (int i = 0; i < count; i++)
                channel.Writer.TryWrite("hello");
            channel.Writer.Complete();
        });
        int read = 0;
        double rate = await Timing.RateAsync(count, async () =>
        {
            await foreach (string item in channel.Reader.ReadAllAsync())
                read += item.Length / 5;
        });
        await writing;
        Figures.Check(count, read, "The number of items");
        return Figures.Of(rate);
    }

    private static Task<Dictionary<string, double>> LockAsync(int count)
    {
        using SharedLock shared = new();
        return NanosecondsEachAsync(count, () => shared.Enter().Dispose());
    }

    private static Task<Dictionary<string, double>> SemaphoreAsync(int count)
    {
        using SharedSemaphore shared = new(5, 5);
        return NanosecondsEachAsync(count, () =>
        {
            shared.Wait();
            shared.Release();
        });
    }

    private static async Task<Dictionary<string, double>> IncrementAsync(int count)
    {
        using SharedValue<int> shared = new();
        Dictionary<string, double> figures = await NanosecondsEachAsync(count, () => shared.Increment());
        Figures.Check(count, shared.Value, "The value");
        return figures;
    }

    private static Task<Dictionary<string, double>> NanosecondsEachAsync(int count, Action action)
    {
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
            action();
        return Task.FromResult(Figures.Of(Stopwatch.GetElapsedTime(begin).TotalNanoseconds / count));
    }
}
