using System.Diagnostics;
using System.Reflection;
using ManyHands.Platform;
using Xunit;

namespace ManyHands.Tests.Faults;

public sealed class FaultPointTests : IDisposable
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(20);

    [Fact]
    public void Delay_HappensAtTheGivenTime_AndOnce()
    {
        FaultPoint.Arm(FaultStep.RecycleDecided, Fault.Delay, hits: 2, delay: TimeSpan.FromMilliseconds(60));
        FaultPoint.Reach(FaultStep.RecycleDecided);
        FaultPoint.Reach(FaultStep.BatchItemRun);
        TimeSpan first = Time(() => FaultPoint.Reach(FaultStep.RecycleDecided));
        Assert.InRange(first, TimeSpan.FromMilliseconds(55), Long);
    }

    [Fact]
    public void OtherSteps_AndEarlierTimes_AndDisarmedOnes_AreLeftAlone()
    {
        FaultPoint.Arm(FaultStep.RecycleDecided, Fault.Delay, hits: 2, delay: Long);
        TimeSpan took = Time(() =>
        {
            FaultPoint.Reach(FaultStep.RecycleDecided);
            FaultPoint.Reach(FaultStep.BatchItemRun);
            FaultPoint.Disarm();
            FaultPoint.Reach(FaultStep.RecycleDecided);
        });
        Assert.True(took < Long, $"It took {took}.");
    }

    [Fact]
    public async Task Hold_KeepsTheNextThread_UntilItIsOver()
    {
        Task held, passing;
        using (FaultHold hold = FaultPoint.Hold(FaultStep.RecycleDecided))
        {
            held = Task.Run(() => FaultPoint.Reach(FaultStep.RecycleDecided), TestContext.Current.CancellationToken);
            await hold.Reached.InTime(Long, TestContext.Current.CancellationToken);
            passing = Task.Run(() => FaultPoint.Reach(FaultStep.RecycleDecided), TestContext.Current.CancellationToken);
            await passing.InTime(Long, TestContext.Current.CancellationToken);
            Assert.False(held.IsCompleted);
        }

        await held.InTime(Long, TestContext.Current.CancellationToken);
    }

    [Fact]
    public void OrderForChildren_ThatNoneTook_CanBeTakenBack()
    {
        using Gate gate = new();
        using FaultOrders orders = new(Path.GetDirectoryName(gate.Path)!);
        orders.Give(new FaultOrder(FaultStep.CallRead, Fault.Kill, 1, TimeSpan.Zero));
        Assert.True(orders.TakeBack());
        Assert.False(orders.TakeBack());
    }

    [Fact]
    public void OrderForChildren_IsTakenByOne_WhenItIsDue()
    {
        using Gate gate = new();
        string directory = Path.GetDirectoryName(gate.Path)!;
        using FaultOrders test = new(directory), first = new(directory), second = new(directory);
        test.Give(new FaultOrder(FaultStep.CallRead, Fault.Stop, 2, Long));
        Assert.Null(first.TryTake(FaultStep.CallDecoded));
        Assert.Null(first.TryTake(FaultStep.CallRead));
        Assert.Null(second.TryTake(FaultStep.CallRead));
        FaultOrder? taken = second.TryTake(FaultStep.CallRead);
        Assert.Equal((FaultStep.CallRead, Fault.Stop, Long), (taken!.Step, taken.Fault, taken.Delay));
        Assert.Null(first.TryTake(FaultStep.CallRead));
        Assert.False(test.TakeBack());
    }

    [Fact]
    public void ReachedSteps_AreNoted_UntilTheyAreTaken()
    {
        using Gate gate = new();
        string directory = Path.GetDirectoryName(gate.Path)!;
        using FaultOrders test = new(directory), child = new(directory);
        Assert.False(child.Records);
        test.Records = true;
        Assert.True(child.Records);
        child.Note(FaultSides.Child, FaultStep.CallRead);
        child.Note(FaultSides.Parent, FaultStep.CallEncoded);
        Assert.Equal((true, false), (test.IsNoted(FaultSides.Child, FaultStep.CallRead), test.IsNoted(FaultSides.Parent, FaultStep.CallRead)));
        Assert.Equal([(FaultSides.Parent, FaultStep.CallEncoded), (FaultSides.Child, FaultStep.CallRead)], test.TakeNotes());
        Assert.Empty(test.TakeNotes());
    }

    [Fact]
    public void Calls_AreInDebugBuildsOnly()
    {
        foreach (string method in (string[])[nameof(FaultPoint.Reach), nameof(FaultPoint.EnterChild), nameof(FaultPoint.StepAside)])
            Assert.Equal("DEBUG", typeof(FaultPoint).GetMethod(method)!.GetCustomAttribute<ConditionalAttribute>()!.ConditionString);
    }

    public void Dispose() => FaultPoint.Disarm();

    private static TimeSpan Time(Action action)
    {
        long startedAt = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(startedAt);
    }
}
