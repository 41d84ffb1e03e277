#if DEBUG
using System.Diagnostics;
using ManyHands.Platform;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Queues;

/// <summary>
/// One end's process is killed, stopped or delayed at each step of a message's way. Whatever happens: messages are whole, in order and there at most once, and the other end is told within a bound when
/// nobody is left who could send or receive.
/// </summary>
public sealed class PipeFaultTests(ITestOutputHelper output) : LeakChecked
{
    private const int Lanes = 3;
    private const int Messages = 6;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(3);

    private static readonly FaultStep[] SenderSteps = [FaultStep.LaneReserved, FaultStep.LaneHalfCopied, FaultStep.LanePublished, FaultStep.LaneBeforeWake];
    private static readonly FaultStep[] ReceiverSteps = [FaultStep.LaneCopiedOut, FaultStep.LaneTaken, FaultStep.LaneBeforeRoomWake];

    private static readonly Scenario[] Scenarios = [new("small", Size: 16, Hits: 1), new("small, the third", Size: 16, Hits: 3), new("over chunks", Size: 150_000, Hits: 2)];

    [Fact]
    public async Task EveryFault_AtEveryStep_IsToldToTheOtherEnd()
    {
        IEnumerable<Cell> cells =
            from scenario in Scenarios
            from step in SenderSteps.Concat(ReceiverSteps)
            from fault in Enum.GetValues<Fault>()
            select new Cell(scenario, step, fault);
        await SharedObjectFaults.SweepAsync("pipe", SenderSteps.Length + ReceiverSteps.Length, Scenarios.Length, cells, Lanes, Run, output);
    }

    private static Task Run(Cell cell) => SenderSteps.Contains(cell.Step) ? RunSender(cell) : RunReceiver(cell);

    private static async Task RunSender(Cell cell)
    {
        (SharedPipeEnd<byte[]> receiver, SharedPipeEnd<byte[]> sender) = SharedPipe.CreateSimplex<byte[]>();
        using (receiver)
        {
            await using WorkerProcess<double> victim = WorkerProcess.Start(FaultyPipeWork.Send, sender, cell.Scenario.Size, cell.Plan);
            sender.Dispose();
            await SeeTheFault(victim, cell.Fault);
            long startedAt = Stopwatch.GetTimestamp();
            int[] numbers = [.. receiver.ReceiveAll().Select(message => FaultyQueueWork.NumberOf(message, cell.Scenario.Size))];
            if (cell.Fault == Fault.Kill)
                Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, Bound);
            int sent = cell.Fault != Fault.Kill ? Messages : cell.Scenario.Hits - (cell.Step is FaultStep.LaneReserved or FaultStep.LaneHalfCopied ? 1 : 0);
            Assert.Equal(Enumerable.Range(0, sent), numbers);
            await CheckDelay(victim, cell.Fault);
        }
    }

    private static async Task RunReceiver(Cell cell)
    {
        (SharedPipeEnd<byte[]> receiver, SharedPipeEnd<byte[]> sender) = SharedPipe.CreateSimplex<byte[]>();
        using SharedQueue<byte[]> seen = new();
        using (sender)
        {
            await using WorkerProcess<double> victim = WorkerProcess.Start(FaultyPipeWork.Receive, receiver, seen, cell.Plan);
            receiver.Dispose();
            for (int i = 0; i < Messages && await TrySend(sender, FaultyQueueWork.Item(i, cell.Scenario.Size)); i++)
            {
                // What it doesn't take any more is nobody's.
            }

            await SeeTheFault(victim, cell.Fault);
            if (cell.Fault == Fault.Kill)
            {
                long startedAt = Stopwatch.GetTimestamp();
                while (await TrySend(sender, [1]))
                    Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, Bound);
            }

            sender.Dispose();
            await CheckDelay(victim, cell.Fault);
            int received = cell.Fault != Fault.Kill ? Messages : cell.Scenario.Hits - 1;
            Assert.Equal(Enumerable.Range(0, received), FaultyQueueWork.Numbers(seen, cell.Scenario.Size));
        }
    }

    private static async Task<bool> TrySend(SharedPipeEnd<byte[]> sender, byte[] message)
    {
        try
        {
            await sender.SendAsync(message).AsTask().InTime(Deadline);
            return true;
        }
        catch (PipeBrokenException)
        {
            return false;
        }
    }

    private static async Task SeeTheFault(WorkerProcess<double> victim, Fault fault)
    {
        if (fault == Fault.Kill)
        {
            Assert.True(await victim.JoinAsync(Deadline), "the fault didn't happen");
            Assert.Equal(9, Assert.IsType<WorkerCrashedException>(victim.Exception).Signal);
        }
        else if (fault == Fault.Stop)
        {
            await Eventually.True(() => ProcessInventory.IsStopped(victim.Id), "the fault happens");
            SharedObjectFaults.Continue(victim.Id);
        }
    }

    private static async Task CheckDelay(WorkerProcess<double> victim, Fault fault)
    {
        if (fault == Fault.Kill)
            return;
        Assert.True(await victim.JoinAsync(Deadline), "it doesn't end");
        Assert.True(await victim >= (fault == Fault.Delay ? FaultPlan.DelayTime.TotalMilliseconds : 0), "the fault didn't happen");
    }

    private sealed record Scenario(string Name, int Size, int Hits);

    private sealed record Cell(Scenario Scenario, FaultStep Step, Fault Fault)
    {
        public FaultPlan Plan => new(Step, Fault, Scenario.Hits);

        public override string ToString() => $"{Scenario.Name}, {Fault} at {Step}";
    }

    /// <summary>What the victims run; each says how long its slowest message took, in milliseconds.</summary>
    private static class FaultyPipeWork
    {
        public static double Send(SharedPipeEnd<byte[]> pipe, int size, FaultPlan plan)
        {
            using SharedPipeEnd<byte[]> own = pipe;
            plan.Arm();
            double longest = 0;
            for (int i = 0; i < Messages; i++)
            {
                long startedAt = Stopwatch.GetTimestamp();
                pipe.Send(FaultyQueueWork.Item(i, size));
                longest = Math.Max(longest, Stopwatch.GetElapsedTime(startedAt).TotalMilliseconds);
            }

            return longest;
        }

        public static double Receive(SharedPipeEnd<byte[]> pipe, SharedQueue<byte[]> seen, FaultPlan plan)
        {
            using SharedPipeEnd<byte[]> own = pipe;
            plan.Arm();
            double longest = 0;
            while (true)
            {
                long startedAt = Stopwatch.GetTimestamp();
                try
                {
                    seen.Enqueue(pipe.Receive());
                }
                catch (EndOfStreamException)
                {
                    return longest;
                }

                longest = Math.Max(longest, Stopwatch.GetElapsedTime(startedAt).TotalMilliseconds);
            }
        }
    }
}
#endif
