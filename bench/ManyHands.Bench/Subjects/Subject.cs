using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>
/// One thing that is compared. In the runner it says who measures what and which figures make a row; in our contender's process it
/// holds the functions that measure our side.
/// </summary>
internal abstract class Subject : IAsyncDisposable
{
    private readonly List<Measurement> measurements = [];
    private readonly List<Row> rows = [];
    private readonly Dictionary<string, Serve> served = [];
    private readonly bool quick;
    private Pool? pool;

    protected Subject(string name, Options options)
    {
        Name = name;
        quick = options.Quick;
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("This process has no path to start it again by.");
        Ours = new Contender("ManyHands", [program, "--serve", name, .. options.Long ? ["--long"] : Array.Empty<string>()]);
    }

    public string Name { get; }

    /// <summary>How often each contender measures; the table has the median.</summary>
    public int Rounds { get; protected init; } = 5;

    public IReadOnlyList<Measurement> Measurements => measurements;

    public IReadOnlyList<Row> Rows => rows;

    protected Contender Ours { get; }

    public static IReadOnlyList<Subject> All(Options options)
    {
        StartSubject start = new(options);
        CallSubject call = new(options);
        ThroughputSubject throughput = new(options);
        PayloadSubject payload = new(options);
        return
        [
            start,
            call,
            throughput,
            new MapSubject(options),
            payload,
            new CoroutineSubject(options),
            new MemorySubject(options),
            new GrowthSubject(options),
            new WorkersSubject(options),
            new AllocationSubject(options),
            new SharedSubject(options),
            new ContentionSubject(options),
            new PipeSubject(options),
            new ManagerSubject(options),
            new TodaySubject(options),
            new FloorSubject(options, start, call, throughput, payload),
        ];
    }

    /// <summary>Our contender's whole life.</summary>
    public Task<int> ServeAsync() => Serving.RunAsync(served);

    public async ValueTask DisposeAsync()
    {
        if (pool is not null)
            await pool.DisposeAsync();
    }

    /// <summary>A measurement of ours.</summary>
    /// <param name="ours">Our contender, or a variation of it.</param>
    /// <param name="what">What it is asked for.</param>
    /// <param name="count">The count of calls or repeats.</param>
    /// <param name="measure">Measures it, in the contender's process.</param>
    /// <param name="warmsUp">Whether the first answer follows measurements that are thrown away. A fresh process is asked for what happens the first time.</param>
    protected Measurement Measure(Contender ours, string what, int count, Func<int, Task<Dictionary<string, double>>> measure, bool warmsUp = true)
    {
        served[what] = new Serve(measure, warmsUp && !ours.IsFresh);
        return Measure(ours, what, count);
    }

    /// <summary>A peer's measurement.</summary>
    protected Measurement Measure(Contender peer, string what, int count)
    {
        Measurement measurement = new(Name, peer, what, quick ? Math.Max(1, count / 10) : count);
        measurements.Add(measurement);
        return measurement;
    }

    protected void Compare(string name, string unit, Metric ours, Metric peer, Goal? goal = null) => rows.Add(new Row(Name, name, unit, ours, peer, goal));

    protected void Show(string name, string unit, Metric ours, Goal? goal = null) => rows.Add(new Row(Name, name, unit, ours, null, goal));

    /// <summary>A pool of two processes with all its defaults, which lives as long as the contender.</summary>
    protected async Task<Pool> TwoProcessesAsync()
    {
        if (pool is null)
        {
            pool = Pool.Processes(2);
            await pool.WarmUpAsync();
        }

        return pool;
    }
}
