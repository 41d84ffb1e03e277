using System.Diagnostics;
using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>What a call costs when there are ever more of them, and what a map of an endless source holds on to.</summary>
internal sealed class GrowthSubject : Subject
{
    private const int Window = 1_000;
    private const double Flat = 1.25;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);

    private readonly bool patient;

    public GrowthSubject(Options options)
        : base("growth", options)
    {
        patient = options.Long;
        Rounds = 3;
        int[] sizes = options.Quick ? [10_000, 100_000, 1_000_000] : [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
        Grow("MapUnorderedAsync", "unordered", UnorderedAsync);
        Grow($"RunAsync, {Window} outstanding", "window", WindowAsync);

        Measurement endless = Measure(Ours.Fresh(), "endless", 1_000_000, EndlessAsync);
        Compare("endless MapAsync: resident memory after all items, beside after a tenth", "MiB", endless["resident-all"], endless["resident-tenth"], Goal.AtMost(Flat));
        Compare("endless MapAsync: heap after a collection, after all items, beside after a tenth", "MiB", endless["heap-all"], endless["heap-tenth"], Goal.AtMost(Flat));
        Show("endless MapAsync: items drawn while nobody takes results", "items", endless["ahead"], Goal.ValueAtMost(20_000, "bounded: ≤ 20,000"));

        void Grow(string name, string what, Func<int, Task<Dictionary<string, double>>> measure)
        {
            Measurement[] each = [.. from size in sizes select Measure(Ours, what, size, measure)];
            Show($"{name}, {each[0].Count:N0} calls", "ns/call", each[0].Value);
            foreach (Measurement larger in each[1..])
                Compare($"{name}, {larger.Count:N0} calls, beside {each[0].Count:N0}", "ns/call", larger.Value, each[0].Value, Goal.AtMost(Flat));
        }
    }

    private Task<Dictionary<string, double>> UnorderedAsync(int count) => NanosecondsAsync(count, async (pool, calls) =>
    {
        long sum = 0;
        await foreach (int each in pool.MapUnorderedAsync(Work.Echo, Enumerable.Range(0, calls)))
            sum += each;
        return sum;
    });

    private Task<Dictionary<string, double>> WindowAsync(int count) => NanosecondsAsync(count, async (pool, calls) =>
    {
        long sum = 0;
        Task<int>[] window = new Task<int>[Math.Min(Window, calls)];
        for (int i = 0; i < calls; i++)
        {
            if (i >= window.Length)
                sum += await window[i % window.Length];
            window[i % window.Length] = pool.RunAsync(Work.Echo, i);
        }

        foreach (Task<int> each in window)
            sum += await each;
        return sum;
    });

    // Small counts are repeated, so that all sizes are measured about as well.
    private async Task<Dictionary<string, double>> NanosecondsAsync(int count, Func<Pool, int, Task<long>> work)
    {
        Pool pool = await TwoProcessesAsync();
        await ForeseeAsync(pool, count, work);
        double[] samples = new double[Math.Clamp(200_000 / count, 1, 100)];
        for (int i = 0; i < samples.Length; i++)
        {
            long begin = Stopwatch.GetTimestamp();
            long sum = await work(pool, count);
            samples[i] = Stopwatch.GetElapsedTime(begin).TotalNanoseconds / count;
            Figures.Check(Work.Sum(count), sum, "The sum of all results");
        }

        return Figures.Of(Figures.Median(samples));
    }

    private async Task ForeseeAsync(Pool pool, int count, Func<Pool, int, Task<long>> work)
    {
        const int trial = 100_000;
        if (patient || count <= trial)
            return;
        long begin = Stopwatch.GetTimestamp();
        await work(pool, trial);
        TimeSpan foreseen = Stopwatch.GetElapsedTime(begin) * ((double)count / trial);
        if (foreseen > Patience)
            throw new MeasurementSkippedException($"{count:N0} calls would take {foreseen.TotalSeconds:N0} s; --long measures them");
    }

    private static async Task<Dictionary<string, double>> EndlessAsync(int count)
    {
        const double mebibyte = 1 << 20;
        Dictionary<string, double> figures = [];
        long drawn = 0;
        await using Pool pool = Pool.Processes(2);
        await using IAsyncEnumerator<int> results = pool.MapAsync(Work.Echo, Endless()).GetAsyncEnumerator();
        await results.MoveNextAsync();
        figures["ahead"] = await DrawnAsync();

        for (int next = 1; next <= count; next++)
        {
            await results.MoveNextAsync();
            Figures.Check(next, results.Current, "A result");
            if (next == count / 10)
                Weigh("tenth");
        }

        Weigh("all");
        return figures;

        IEnumerable<int> Endless()
        {
            for (int i = 0; ; i++)
            {
                Interlocked.Increment(ref drawn);
                yield return i;
            }
        }

        // Until the source has been left alone for half a second.
        async Task<long> DrawnAsync()
        {
            long before;
            do
            {
                before = Interlocked.Read(ref drawn);
                await Task.Delay(500);
            }
            while (Interlocked.Read(ref drawn) != before);
            return before;
        }

        void Weigh(string when)
        {
            figures[$"resident-{when}"] = ProcessFigures.ResidentBytes() / mebibyte;
            figures[$"heap-{when}"] = GC.GetTotalMemory(forceFullCollection: true) / mebibyte;
        }
    }
}
