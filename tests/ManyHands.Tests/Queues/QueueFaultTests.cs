#if DEBUG
using System.Diagnostics;
using ManyHands.Platform;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Queues;

/// <summary>
/// A writer and a reader, one of which is killed, stopped or delayed at each step of an item's way. Whatever happens: every item is whole, in order and there at most once; none is lost but the one that a killed
/// reader had taken; and the others go on.
/// </summary>
public sealed class QueueFaultTests(ITestOutputHelper output) : LeakChecked
{
    private const int Lanes = 3;
    private const int Items = 6;
    private const int LargeItem = 150_000;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    // Well above the 200 ms after which a waiter has found out that a holder is dead.
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(30);

    private static readonly FaultStep[] WriterSteps = [FaultStep.LaneReserved, FaultStep.LaneHalfCopied, FaultStep.LanePublished, FaultStep.LaneBeforeWake];
    private static readonly FaultStep[] ReaderSteps = [FaultStep.LaneCopiedOut, FaultStep.LaneTaken, FaultStep.LaneBeforeRoomWake];

    private static readonly Scenario[] Scenarios =
    [
        new("small", Capacity: 0, Size: 16, Hits: 1),
        new("small, the third", Capacity: 0, Size: 16, Hits: 3),
        new("over chunks", Capacity: 0, Size: LargeItem, Hits: 2),
        new("full", Capacity: 1, Size: 16, Hits: 2),
    ];

    [Fact]
    public async Task EveryFault_AtEveryStep_CostsWhatItMayAndNoMore()
    {
        IEnumerable<Cell> cells =
            from scenario in Scenarios
            from step in WriterSteps.Concat(ReaderSteps)
            from fault in Enum.GetValues<Fault>()
            select new Cell(scenario, step, fault);
        await SharedObjectFaults.SweepAsync("queue", WriterSteps.Length + ReaderSteps.Length, Scenarios.Length, cells, Lanes, Run, output);
    }

    private static async Task Run(Cell cell)
    {
        bool inWriter = WriterSteps.Contains(cell.Step);
        using SharedQueue<byte[]> queue = new(cell.Scenario.Capacity);
        using SharedQueue<byte[]> seen = new();
        await using WorkerProcess<double> reader = WorkerProcess.Start(FaultyQueueWork.Forward, queue, seen, new FaultPlan(inWriter ? null : cell.Step, cell.Fault, cell.Scenario.Hits));
        await using WorkerProcess<double> writer = WorkerProcess.Start(FaultyQueueWork.Write, queue, (Items, cell.Scenario.Size), new FaultPlan(inWriter ? cell.Step : null, cell.Fault, cell.Scenario.Hits));
        WorkerProcess<double> victim = inWriter ? writer : reader;
        switch (cell.Fault)
        {
            case Fault.Kill:
                Assert.True(await victim.JoinAsync(Deadline), "the fault didn't happen");
                Assert.Equal(9, Assert.IsType<WorkerCrashedException>(victim.Exception).Signal);
                break;
            case Fault.Stop:
                await Eventually.True(() => ProcessInventory.IsStopped(victim.Id), "the fault happens");
                CheckPatience(queue, cell.Step);
                SharedObjectFaults.Continue(victim.Id);
                break;
            default:
                // It ends by itself, and says how long it took.
                break;
        }

        bool writerLives = !(inWriter && cell.Fault == Fault.Kill);
        bool readerLives = inWriter || cell.Fault != Fault.Kill;
        if (writerLives)
            Assert.True(await JoinWhile(writer, readerLives ? null : queue, seen), "the writer doesn't end");

        // Empty, it ends the reader.
        long startedAt = Stopwatch.GetTimestamp();
        if (readerLives)
        {
            Assert.True(queue.TryEnqueue([], Deadline), "nothing can be added");
            Assert.True(await reader.JoinAsync(Deadline), "the reader doesn't end");
        }

        while (queue.TryDequeue(out byte[]? rest, Glance))
            Assert.True(seen.TryEnqueue(rest));
        if (cell.Fault == Fault.Kill)
            Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, Bound);
        if (cell.Fault == Fault.Delay)
            Assert.True(await victim >= FaultPlan.DelayTime.TotalMilliseconds, "the fault didn't happen");
        Assert.Equal(0, queue.Count);
        Assert.Equal(Expected(cell), FaultyQueueWork.Numbers(seen, cell.Scenario.Size));

        // And goes on as if nothing had been.
        Assert.True(queue.TryEnqueue([1, 2, 3], Deadline));
        Assert.Equal(1, queue.Count);
        Assert.True(queue.TryDequeue(out byte[]? last, Deadline));
        Assert.Equal([1, 2, 3], last);
    }

    private static IEnumerable<int> Expected(Cell cell)
    {
        IEnumerable<int> all = Enumerable.Range(0, Items);
        int hit = cell.Scenario.Hits - 1;
        if (cell.Fault != Fault.Kill)
            return all;
        return cell.Step switch
        {
            FaultStep.LaneReserved or FaultStep.LaneHalfCopied => all.Take(hit),
            FaultStep.LanePublished or FaultStep.LaneBeforeWake => all.Take(hit + 1),
            FaultStep.LaneCopiedOut => all,
            _ => all.Where(number => number != hit),
        };
    }

    // Who is stopped keeps the lock it has; the others may give up, and in time.
    private static void CheckPatience(SharedQueue<byte[]> queue, FaultStep step)
    {
        if (step is FaultStep.LaneBeforeWake or FaultStep.LaneBeforeRoomWake)
            return;
        for (int i = 0; i < 10; i++)
        {
            using CancellationTokenSource cancel = new(Glance);
            long startedAt = Stopwatch.GetTimestamp();
            TimeSpan timeout = i % 2 == 0 ? Glance : Timeout.InfiniteTimeSpan;
            try
            {
                Assert.False(WriterSteps.Contains(step) ? queue.TryEnqueue([9], timeout, cancel.Token) : queue.TryDequeue(out _, timeout, cancel.Token), "a stopped process was robbed");
            }
            catch (OperationCanceledException)
            {
                // As good as the end of the time.
            }

            Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, Bound);
        }
    }

    // With its reader dead a writer may wait for room.
    private static async Task<bool> JoinWhile(WorkerProcess writer, SharedQueue<byte[]>? queue, SharedQueue<byte[]> seen)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (!await writer.JoinAsync(TimeSpan.FromMilliseconds(5)))
        {
            if (queue?.TryDequeue(out byte[]? item) == true)
                seen.Enqueue(item);
            if (Stopwatch.GetElapsedTime(startedAt) > Deadline)
                return false;
        }

        return true;
    }

    private sealed record Scenario(string Name, int Capacity, int Size, int Hits);

    private sealed record Cell(Scenario Scenario, FaultStep Step, Fault Fault)
    {
        public override string ToString() => $"{Scenario.Name}, {Fault} at {Step}";
    }
}

/// <summary>What the two sides run.</summary>
internal static class FaultyQueueWork
{
    public static double Write(SharedQueue<byte[]> queue, (int Count, int Size) items, FaultPlan plan)
    {
        plan.Arm();
        long startedAt = Stopwatch.GetTimestamp();
        for (int i = 0; i < items.Count; i++)
            queue.Enqueue(Item(i, items.Size));
        return Stopwatch.GetElapsedTime(startedAt).TotalMilliseconds;
    }

    public static double Forward(SharedQueue<byte[]> queue, SharedQueue<byte[]> seen, FaultPlan plan)
    {
        double longest = 0;
        plan.Arm();
        while (true)
        {
            long startedAt = Stopwatch.GetTimestamp();
            byte[] item = queue.Dequeue();
            longest = Math.Max(longest, Stopwatch.GetElapsedTime(startedAt).TotalMilliseconds);
            if (item.Length == 0)
                return longest;
            seen.Enqueue(item);
        }
    }

    /// <summary>The items' numbers, if every byte of them is right.</summary>
    public static List<int> Numbers(SharedQueue<byte[]> seen, int size)
    {
        List<int> numbers = [];
        while (seen.TryDequeue(out byte[]? item))
            numbers.Add(NumberOf(item, size));
        return numbers;
    }

    /// <summary>The item's number, if every byte of it is right.</summary>
    public static int NumberOf(byte[] item, int size)
    {
        int number = BitConverter.ToInt32(item);
        Assert.True(Item(number, size).AsSpan().SequenceEqual(item), $"item {number} is torn");
        return number;
    }

    public static byte[] Item(int number, int size)
    {
        byte[] item = new byte[size];
        new Random(number).NextBytes(item);
        BitConverter.TryWriteBytes(item, number);
        return item;
    }
}
#endif
