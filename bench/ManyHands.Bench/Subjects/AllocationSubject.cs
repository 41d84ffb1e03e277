using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>What a call allocates in the parent once everything is warm.</summary>
internal sealed class AllocationSubject : Subject
{
    public AllocationSubject(Options options)
        : base("allocation", options)
    {
        const int count = 10_000;
        Measurement one = Measure(Ours, "one", count, OneAsync);
        Measurement outstanding = Measure(Ours, "outstanding", count, OutstandingAsync);
        Measurement threads = Measure(Ours.Named("Pool.Threads"), "threads", count, ThreadsAsync);
        Measurement run = Measure(Ours.Named("Task.Run, in process"), "task-run", count, TaskRunAsync);

        Compare("RunAsync, one at a time", "bytes/call", one.Value, run.Value);
        Compare("RunAsync, all outstanding", "bytes/call", outstanding.Value, run.Value);
        Compare("Pool.Threads(2).RunAsync, one at a time", "bytes/call", threads.Value, run.Value);
    }

    private async Task<Dictionary<string, double>> OneAsync(int count)
    {
        Pool pool = await TwoProcessesAsync();
        return await AllocatedAsync(count, i => pool.RunAsync(Work.Echo, i));
    }

    private static async Task<Dictionary<string, double>> ThreadsAsync(int count)
    {
        await using Pool pool = Pool.Threads(2);
        await pool.WarmUpAsync();
        return await AllocatedAsync(count, i => pool.RunAsync(Work.Echo, i));
    }

    private static Task<Dictionary<string, double>> TaskRunAsync(int count) => AllocatedAsync(count, i => Task.Run(() => Work.Echo(i)));

    private async Task<Dictionary<string, double>> OutstandingAsync(int count)
    {
        Pool pool = await TwoProcessesAsync();
        Task<int>[] calls = new Task<int>[count];
        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < count; i++)
            calls[i] = pool.RunAsync(Work.Echo, i);
        foreach (Task<int> each in calls)
            await each;
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        Figures.Check(Work.Sum(count), calls.Sum(each => (long)each.Result), "The sum of all results");
        return Figures.Of((double)allocated / count);
    }

    private static async Task<Dictionary<string, double>> AllocatedAsync(int count, Func<int, Task<int>> call)
    {
        long sum = 0;
        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < count; i++)
            sum += await call(i);
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        Figures.Check(Work.Sum(count), sum, "The sum of all results");
        return Figures.Of((double)allocated / count);
    }
}
