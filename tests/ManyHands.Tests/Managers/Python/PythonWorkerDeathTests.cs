using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>What becomes of items when a Python process ends: by SIGKILL, or as it should.</summary>
public sealed class PythonWorkerDeathTests : LeakChecked
{
    // Does what the lines on its input say.
    private const string Worker = PythonListenerTests.Client + """
        m = connect('tasks', 'results')
        tasks, results = m.tasks(), m.results()
        def thread():
            print('got', tasks.get(), flush=True)
        for line in sys.stdin:
            word = line.strip()
            if word == 'get': print('got', tasks.get(), flush=True)
            elif word == 'size': print('size', tasks.qsize(), flush=True)
            elif word == 'result': results.put('done'); print('put', flush=True)
            elif word == 'done': tasks.task_done(); print('done', flush=True)
            elif word == 'thread': t = threading.Thread(target=thread); t.start(); t.join(); print('joined', flush=True)
            elif word == 'forget': del tasks; print('forgot', flush=True)
            elif word == 'forget all': del tasks, results; print('forgot', flush=True)
            elif word == 'fail': raise SystemExit(0)
            elif word == 'kill': os.kill(os.getpid(), signal.SIGKILL)
        """;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    public static TheoryData<string?> Versions => PythonInterpreters.All.Count == 0 ? new() { (string?)null } : [PythonInterpreters.All[0].Version, PythonInterpreters.All[^1].Version];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task AWorkerKilled_WhileItWaitsForAnItem_TakesNone(string? version)
    {
        await using Fixture fixture = new(version);
        using PythonProcess first = fixture.Start();
        await first.WriteLineAsync("get");
        await fixture.WaitingAsync(1);
        first.Kill();
        await fixture.WaitingAsync(0);
        fixture.Tasks.Enqueue("a", Token);
        using PythonProcess second = fixture.Start();
        await SayAsync(second, "get", "got a");
        await second.EndAsync();
        await fixture.NobodyAsync();
        Assert.Equal(0, fixture.Tasks.Count);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task AWorkerKilled_WithAnItemInHand_GivesItBack(string? version)
    {
        await using Fixture fixture = new(version);
        fixture.Tasks.Enqueue("a", Token);
        fixture.Tasks.Enqueue("b", Token);
        using PythonProcess first = fixture.Start();
        await SayAsync(first, "get", "got a");
        Assert.Equal(1, fixture.Tasks.LeasedCount);

        // Another one that ends well at the same time says goodbye for itself only.
        using PythonProcess other = fixture.Start();
        await SayAsync(other, "get", "got b");
        await SayAsync(other, "result", "put");
        await other.EndAsync();
        first.Kill();
        await Eventually.True(() => fixture.Tasks.Count == 1, "the item is back");
        await using QueueLease<string> again = await fixture.Tasks.LeaseAsync(cancellationToken: Token);
        Assert.Equal("a", again.Item);
        Assert.True(again.IsRedelivered);
        Assert.Equal(2, again.Deliveries);
        await again.CompleteAsync(Token);
        Assert.True(fixture.Tasks.Join(Patience, Token));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task AWorkerKilled_AfterItsNextRequest_HasDoneItsItem(string? version)
    {
        await using Fixture fixture = new(version);
        fixture.Tasks.Enqueue("a", Token);
        fixture.Tasks.Enqueue("b", Token);
        using PythonProcess worker = fixture.Start();
        await SayAsync(worker, "get", "got a");
        await SayAsync(worker, "result", "put");
        await SayAsync(worker, "get", "got b");
        await worker.WriteLineAsync("kill");
        await Eventually.True(() => fixture.Tasks.Count == 1, "what it had in hand is back");
        Assert.Equal("b", fixture.Tasks.Dequeue(Token));
        Assert.Equal("done", fixture.Results.Dequeue(Token));

        // Nobody is left who could say that it is done; who joins isn't kept for ever.
        using PythonProcess joins = fixture.Python.Start(PythonListenerTests.Client + "connect('tasks').tasks().join(); print('joined')", fixture.Arguments);
        Assert.Equal("joined", await joins.ReadLineAsync());
        await joins.EndAsync();
    }

    [Theory]
    [InlineData("result", "put")]
    [InlineData("done", "done")]
    [InlineData("size", "size 0")]
    [InlineData("", "")]
    [InlineData("forget", "forgot")]
    [InlineData("forget all", "forgot")]
    [InlineData("fail", "")]
    public async Task AWorkerThatEnds_AsItShould_KeepsItsItem(string last, string answer)
    {
        await using Fixture fixture = new(PythonInterpreters.Newest);
        fixture.Tasks.Enqueue("a", Token);
        using PythonProcess worker = fixture.Start();
        await SayAsync(worker, "get", "got a");
        if (last.Length > 0)
            await worker.WriteLineAsync(last);
        if (answer.Length > 0)
            Assert.Equal(answer, await worker.ReadLineAsync());
        await worker.EndAsync();
        await fixture.NobodyAsync();
        Assert.Equal(0, fixture.Tasks.Count);
        Assert.Equal(0, fixture.Tasks.LeasedCount);
        Assert.True(fixture.Tasks.Join(Patience, Token));
    }

    // Python closes a thread's connection with the thread, and says nothing: as from one that was killed.
    [Fact]
    public async Task AThreadThatEnds_WithAnItemInHand_GivesItBack()
    {
        await using Fixture fixture = new(PythonInterpreters.Newest);
        fixture.Tasks.Enqueue("a", Token);
        using PythonProcess worker = fixture.Start();
        await SayAsync(worker, "thread", "got a");
        Assert.Equal("joined", await worker.ReadLineAsync());
        await Eventually.True(() => fixture.Tasks.Count == 1, "the item is back");
        await worker.EndAsync();
    }

    [Fact]
    public async Task AListenerThatStops_WithItemsInWorkersHands_LeavesThemInTheQueue()
    {
        await using Fixture fixture = new(PythonInterpreters.Newest);
        fixture.Tasks.Enqueue("a", Token);
        using PythonProcess worker = fixture.Start();
        await SayAsync(worker, "get", "got a");
        using PythonProcess waits = fixture.Python.Start(PythonListenerTests.Client + """
            tasks = connect('tasks').tasks()
            try: tasks.get()
            except (EOFError, ConnectionError): print('over')
            """, fixture.Arguments);
        await fixture.WaitingAsync(1);
        await fixture.Listener.DisposeAsync();
        Assert.Equal("over", await waits.ReadLineAsync());
        Assert.Equal("a", fixture.Tasks.Dequeue(Token));
        worker.Kill();
        waits.Kill();
    }

    private static async Task SayAsync(PythonProcess worker, string line, string answer)
    {
        await worker.WriteLineAsync(line);
        Assert.Equal(answer, await worker.ReadLineAsync());
    }

    private sealed class Fixture : IAsyncDisposable
    {
        private readonly ManagerServer server = new();

        public Fixture(string? version)
        {
            Python = PythonInterpreters.Of(version);
            Tasks = server.RegisterQueue<string>("tasks");
            Results = server.RegisterQueue<string>("results");
            Listener = PythonListenerTests.Listen(server);
        }

        public PythonInterpreter Python { get; }

        public ISharedQueue<string> Tasks { get; }

        public ISharedQueue<string> Results { get; }

        public PythonListener Listener { get; }

        public string[] Arguments => [PythonListenerTests.Port(Listener), PythonListenerTests.Key];

        public PythonProcess Start() => Python.Start(Worker, Arguments);

        public Task WaitingAsync(int count) => Eventually.True(() => server.Statistics.Objects.Single(one => one.Name == "tasks").WaitingRequests == count, $"{count} wait");

        public Task NobodyAsync() => Eventually.True(() => Listener.ConnectionCount == 0, "all connections have ended");

        public async ValueTask DisposeAsync() => await server.DisposeAsync();
    }
}
