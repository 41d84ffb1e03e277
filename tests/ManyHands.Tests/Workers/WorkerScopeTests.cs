using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Workers;

public sealed class WorkerScopeTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task RunAsync_WorkersOfEveryKind_AreJoinedAtTheEnd()
    {
        using Gate gate = new();
        List<Worker> workers = [];
        await WorkerScope.RunAsync(scope =>
        {
            workers.Add(WorkerThread.Start(Work.Touch, gate.Named("done-thread")));
            workers.Add(WorkerProcess.Start(Work.Touch, gate.Named("done-process")));
            workers.Add(Coroutine.Start(Work.TouchAsync, gate.Named("done-coroutine")));
            workers.ForEach(scope.Add);
            return Task.CompletedTask;
        }).InTime(Deadline);
        Assert.Equal(3, gate.Count("done-"));
        Assert.All(workers, worker => Assert.Equal(WorkerState.Completed, worker.State));
    }

    [Fact]
    public async Task RunAsync_FirstFailure_CancelsTheRest()
    {
        using Gate gate = new();
        string thread = gate.Named("thread"), process = gate.Named("process"), coroutine = gate.Named("coroutine");
        List<Worker> others = [];
        AggregateException failure = await Assert.ThrowsAsync<AggregateException>(() => WorkerScope.RunAsync(async scope =>
        {
            others.Add(WorkerThread.Start((string path, CancellationToken token) => Work.WaitForever(path, token).GetAwaiter().GetResult(), thread));
            others.Add(WorkerProcess.Start(Work.WaitForever, process));
            others.Add(Coroutine.Start(Work.WaitForever, coroutine));
            others.ForEach(scope.Add);
            await Task.WhenAll(Gate.WaitAsync(thread), Gate.WaitAsync(process), Gate.WaitAsync(coroutine));
            scope.Add(WorkerThread.Start(static () => { Work.ThrowKnown(1); }));
        }).InTime(Deadline));
        Assert.Equal("no 1", Assert.Single(failure.InnerExceptions).Message);
        Assert.All(others, worker => Assert.Equal(WorkerState.Canceled, worker.State));
    }

    [Fact]
    public async Task RunAsync_BodyThrows_CancelsTheWorkers()
    {
        using Gate gate = new();
        Worker? worker = null;
        AggregateException failure = await Assert.ThrowsAsync<AggregateException>(() => WorkerScope.RunAsync(async scope =>
        {
            worker = WorkerProcess.Start(Work.WaitForever, gate.Path);
            scope.Add(worker);
            await gate.WaitAsync();
            throw new FormatException("body");
        }).InTime(Deadline));
        Assert.IsType<FormatException>(Assert.Single(failure.InnerExceptions));
        Assert.Equal(WorkerState.Canceled, worker!.State);
    }

    [Fact]
    public async Task RunAsync_AwaitedFailure_IsReportedOnce()
    {
        AggregateException failure = await Assert.ThrowsAsync<AggregateException>(() => WorkerScope.RunAsync(
            async scope =>
            {
                WorkerThread<int> worker = WorkerThread.Start(Work.ThrowOwn);
                scope.Add(worker);
                await worker;
            }).InTime(Deadline));
        Assert.IsType<OwnException>(Assert.Single(failure.InnerExceptions));
    }

    [Fact]
    public async Task RunAsync_Cancelled_EndsTheWorkers()
    {
        using Gate gate = new();
        using CancellationTokenSource source = new();
        Task run = WorkerScope.RunAsync(
            scope =>
            {
                scope.Add(WorkerProcess.Start(Work.WaitForever, gate.Path));
                return Task.CompletedTask;
            },
            source.Token);
        await gate.WaitAsync();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run.InTime(Deadline));
    }

    [Fact]
    public async Task Add_AfterTheEnd_Throws()
    {
        WorkerScope? kept = null;
        await WorkerScope.RunAsync(scope =>
        {
            kept = scope;
            return Task.CompletedTask;
        });
        WorkerThread worker = WorkerThread.Start(static () => { });
        Assert.Throws<InvalidOperationException>(() => kept!.Add(worker));
        await worker;
    }
}
