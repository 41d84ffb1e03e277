#if DEBUG
using System.Diagnostics;
using ManyHands.Platform;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Queues;

/// <summary>
/// A reader that takes items on lease is killed, stopped or delayed at each step of a lease. Whatever happens: no item is lost, one that is given out again says so, at most the one in hand is, and
/// the queue comes to an end for whoever waits for it.
/// </summary>
public sealed class QueueLeaseFaultTests(ITestOutputHelper output) : LeakChecked
{
    private const int Lanes = 3;
    private const int Items = 6;

    /// <summary>It is given back once by whoever has it first.</summary>
    private const int GivenBack = 3;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    // Well above the 100 and 200 ms after which somebody has found out that a holder is dead.
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(30);

    private static readonly FaultStep[] Steps =
        [FaultStep.LeaseWritten, FaultStep.LeaseTaken, FaultStep.LeaseReturned, FaultStep.LeaseCompleting, FaultStep.LeaseFreed, FaultStep.LeaseBeforeWake];

    private static readonly Scenario[] Scenarios =
    [
        new("small", Size: 16, Hits: 1),
        new("small, the third", Size: 16, Hits: 3),
        new("over chunks", Size: 150_000, Hits: 1),
    ];

    [Fact]
    public async Task EveryFault_AtEveryStepOfALease_LosesNothing()
    {
        IEnumerable<Cell> cells =
            from scenario in Scenarios
            from step in Steps
            where step != FaultStep.LeaseReturned || scenario.Hits == 1
            from fault in Enum.GetValues<Fault>()
            select new Cell(scenario, step, fault);
        await SharedObjectFaults.SweepAsync("leases", Steps.Length, Scenarios.Length, cells, Lanes, Run, output);
    }

    private static async Task Run(Cell cell)
    {
        using SharedQueue<byte[]> queue = new();
        using SharedQueue<FaultyLeaseWork.Seen> seen = new();
        queue.EnqueueBatch(Enumerable.Range(0, Items).Select(number => FaultyQueueWork.Item(number, cell.Scenario.Size)));
        queue.Complete();
        await using WorkerProcess<double> victim = WorkerProcess.Start(
            FaultyLeaseWork.Forward, queue, seen, (new FaultPlan(cell.Step, cell.Fault, cell.Scenario.Hits), cell.Scenario.Size));
        if (cell.Fault == Fault.Kill)
        {
            Assert.True(await victim.JoinAsync(Deadline), "the fault didn't happen");
            Assert.Equal(9, Assert.IsType<WorkerCrashedException>(victim.Exception).Signal);
            CheckTheRest(queue, seen, cell.Scenario.Size);
            return;
        }

        if (cell.Fault == Fault.Stop)
        {
            await Eventually.True(() => ProcessInventory.IsStopped(victim.Id), "the fault happens");
            if (cell.Step != FaultStep.LeaseBeforeWake)
                CheckPatience(queue);
            SharedObjectFaults.Continue(victim.Id);
        }

        Assert.True(await victim.JoinAsync(Deadline), "it doesn't end");
        Assert.True(await victim >= (cell.Fault == Fault.Delay ? FaultPlan.DelayTime.TotalMilliseconds : 0), "the fault didn't happen");
        List<FaultyLeaseWork.Seen> all = [.. Drain(seen)];
        Assert.Equal(Enumerable.Range(0, Items), all.Select(one => one.Number));
        Assert.All(all, one => Assert.Equal(one.Number == GivenBack, one.IsRedelivered));
        CheckIdle(queue);
    }

    private static void CheckTheRest(SharedQueue<byte[]> queue, SharedQueue<FaultyLeaseWork.Seen> seen, int size)
    {
        List<FaultyLeaseWork.Seen> before = [.. Drain(seen)];
        List<FaultyLeaseWork.Seen> after = [];
        long startedAt = Stopwatch.GetTimestamp();

        // Ends by itself, because the queue is completed.
        while (queue.TryLease(out QueueLease<byte[]>? lease, Deadline))
        {
            after.Add(new(FaultyQueueWork.NumberOf(lease.Item, size), lease.IsRedelivered));
            lease.Complete();
        }

        Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, Bound);
        Assert.Equal(Enumerable.Range(0, Items), before.Concat(after).Select(one => one.Number).Distinct().Order());
        int[] twice = [.. before.Select(one => one.Number).Intersect(after.Select(one => one.Number))];
        Assert.InRange(twice.Length, 0, 1);
        Assert.All(after.Where(one => twice.Contains(one.Number)), one => Assert.True(one.IsRedelivered, $"item {one.Number} came twice, and doesn't say so"));

        // The one in hand, and the one that was given back, if it had been by then.
        Assert.InRange(after.Count(one => one.IsRedelivered), 0, 2);
        CheckIdle(queue);
    }

    private static void CheckIdle(SharedQueue<byte[]> queue)
    {
        Assert.True(queue.Join(Deadline), "the queue doesn't come to an end");
        Assert.Equal((0L, 0), (queue.Count, queue.LeasedCount));
        Assert.Throws<QueueCompletedException>(() => queue.Dequeue());
    }

    // Who is stopped keeps what it has; the others may give up, and in time.
    private static void CheckPatience(SharedQueue<byte[]> queue)
    {
        for (int i = 0; i < 6; i++)
        {
            long startedAt = Stopwatch.GetTimestamp();
            Assert.False(i % 2 == 0 ? queue.TryLease(out _, Glance) : queue.Join(Glance), "a stopped process was robbed");
            Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, Bound);
        }
    }

    private static IEnumerable<FaultyLeaseWork.Seen> Drain(SharedQueue<FaultyLeaseWork.Seen> seen)
    {
        while (seen.TryDequeue(out FaultyLeaseWork.Seen? one))
            yield return one;
    }

    private sealed record Scenario(string Name, int Size, int Hits);

    private sealed record Cell(Scenario Scenario, FaultStep Step, Fault Fault);

    /// <summary>What the victim runs.</summary>
    private static class FaultyLeaseWork
    {
        public static double Forward(SharedQueue<byte[]> queue, SharedQueue<Seen> seen, (FaultPlan Fault, int ItemSize) plan)
        {
            plan.Fault.Arm();
            double longest = 0;
            while (true)
            {
                long startedAt = Stopwatch.GetTimestamp();
                if (!queue.TryLease(out QueueLease<byte[]>? lease, Timeout.InfiniteTimeSpan))
                    return longest;
                int number = FaultyQueueWork.NumberOf(lease.Item, plan.ItemSize);
                if (number == GivenBack && !lease.IsRedelivered)
                {
                    lease.Abandon();
                }
                else
                {
                    seen.Enqueue(new(number, lease.IsRedelivered));
                    lease.Complete();
                }

                longest = Math.Max(longest, Stopwatch.GetElapsedTime(startedAt).TotalMilliseconds);
            }
        }

        public sealed record Seen(int Number, bool IsRedelivered);
    }
}
#endif
