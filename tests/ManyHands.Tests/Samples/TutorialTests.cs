using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Xunit;

namespace ManyHands.Tests.Samples;

/// <summary>The tutorial's programs print what the tutorial says, in an order that it could have shown.</summary>
[Collection(SamplesDefinition.Name)]
public sealed partial class TutorialTests
{
    [Theory]
    [InlineData("tutorial/threads")]
    [InlineData("tutorial/threads-subclass")]
    public async Task EachThreadPrintsItsLinesInOrderBetweenThoseOfTheMainThread(string sample)
    {
        SampleRun run = await RunAsync(sample);

        Assert.Equal("MainThread is running...", run.Output[0]);
        Assert.Equal("MainThread ended.", run.Output[^1]);
        Assert.Equal(
            ["Thread_1 is running...", "Thread_1 args: a", "Thread_1 args: b", "Thread_1 args: c", "Thread_1 ended."],
            run.Output.Where(line => line.StartsWith("Thread_1 ", StringComparison.Ordinal)));
        Assert.Equal(
            ["Thread_2 is running...", "Thread_2 args: aa", "Thread_2 args: bb", "Thread_2 args: cc", "Thread_2 ended."],
            run.Output.Where(line => line.StartsWith("Thread_2 ", StringComparison.Ordinal)));
        Assert.Equal(12, run.Output.Count);
    }

    [Fact]
    public async Task TheLockKeepsEachTurnWholeWhileTwoThreadsCountToFive()
    {
        SampleRun run = await RunAsync("tutorial/lock");

        Match[] lines = [.. run.Output.Select(line => LockLine().Match(line))];
        Assert.All(lines, line => Assert.True(line.Success, run.ToString()));
        (Match Locked, Match Released)[] turns = [.. lines.Chunk(2).Select(pair => (pair[0], pair[1]))];
        Assert.All(turns, turn =>
        {
            Assert.Equal("locked", turn.Locked.Groups["what"].Value);
            Assert.Equal("released", turn.Released.Groups["what"].Value);
            Assert.Equal(turn.Locked.Groups["thread"].Value, turn.Released.Groups["thread"].Value);
        });
        Assert.Equal([0, 1, 2, 3, 4, 5, 5], turns.Select(turn => Number(turn.Locked, "number")));
        Assert.Equal([1, 2, 3, 4, 5, 5, 5], turns.Select(turn => Number(turn.Released, "number")));
        Assert.Equal(["1", "2"], turns[^2..].Select(turn => turn.Locked.Groups["thread"].Value).Order());
    }

    [Fact]
    public async Task BothSidesOfTheForkAgreeOnTheTwoProcessIds()
    {
        SampleRun run = await RunAsync("tutorial/fork");

        Assert.Equal(3, run.Output.Count);
        int parent = Number(ForkStart().Match(run.Output[0]), "parent");
        Match parentSide = ForkParent().Match(run.Output[1]);
        Match childSide = ForkChild().Match(run.Output[2]);
        Assert.Equal(parent, Number(parentSide, "parent"));
        Assert.Equal(parent, Number(childSide, "parent"));
        Assert.Equal(Number(parentSide, "child"), Number(childSide, "child"));
        Assert.NotEqual(parent, Number(childSide, "child"));
    }

    [Fact]
    public async Task FiveProcessesRunAndEndBeforeTheClosingLine()
    {
        SampleRun run = await RunAsync("tutorial/processes");

        int parent = Number(ParentProcess().Match(run.Output[0]), "id");
        Assert.Equal("process end.", run.Output[^1]);
        Assert.Equal(5, run.Output.Count(line => line == "process will start."));
        Match[] children = [.. run.Output.Select(line => ChildProcess().Match(line)).Where(match => match.Success)];
        Assert.Equal([0, 1, 2, 3, 4], children.Select(child => Number(child, "name")).Order());
        int[] ids = [.. children.Select(child => Number(child, "id"))];
        Assert.Equal(5, ids.Distinct().Count());
        Assert.DoesNotContain(parent, ids);
        Assert.Equal(12, run.Output.Count);
    }

    [Fact]
    public async Task TwoWritersAndAReaderShareAQueueAndTheReaderIsTerminatedAtTheEnd()
    {
        SampleRun run = await RunAsync("tutorial/queue");

        Assert.Equal(2, run.Output.Count(line => line.EndsWith("is writing...", StringComparison.Ordinal)));
        Assert.Single(run.Output, line => line.EndsWith("is reading...", StringComparison.Ordinal));
        string[] put = [.. run.Output.Where(line => line.StartsWith("put ", StringComparison.Ordinal)).Select(line => line.Split(' ')[1])];
        string[] got = [.. run.Output.Where(line => line.StartsWith("get ", StringComparison.Ordinal)).Select(line => line.Split(' ')[1])];
        Assert.Equal(["a", "aa", "b", "bb", "c", "cc"], put.Order(StringComparer.Ordinal));
        foreach (string[] written in (string[][])[["a", "b", "c"], ["aa", "bb", "cc"]])
            Assert.Equal(written, put.Where(written.Contains));

        // The last may have been taken out and not yet printed when the reader was ended.
        Assert.InRange(got.Length, 5, 6);
        foreach (string[] written in (string[][])[["a", "b", "c"], ["aa", "bb", "cc"]])
            Assert.Equal(written.Take(got.Count(written.Contains)), got.Where(written.Contains));
        Assert.Equal(9 + got.Length, run.Output.Count);
    }

    [Fact]
    public async Task TenMessagesPassThroughThePipeInOrderAndItsReceiverEnds()
    {
        SampleRun run = await RunAsync("tutorial/pipe");

        string[] messages = [.. Enumerable.Range(0, 10).Select(number => $"aa{number}")];
        Match[] lines = [.. run.Output.Select(line => PipeLine().Match(line))];
        Match[] sent = [.. lines.Where(line => line.Groups["what"].Value == "send: ")];
        Match[] received = [.. lines.Where(line => line.Groups["what"].Value == "rev:")];
        Assert.Equal(messages, sent.Select(line => line.Groups["message"].Value));
        Assert.Equal(messages, received.Select(line => line.Groups["message"].Value));
        Assert.NotEqual(Assert.Single(sent.Select(line => Number(line, "id")).Distinct()), Assert.Single(received.Select(line => Number(line, "id")).Distinct()));
        Assert.Equal(20, run.Output.Count);
    }

    [Fact]
    public async Task TheOneWayPipeReceivesAtOneEndWhatIsSentAtTheOther()
    {
        SampleRun run = await RunAsync("tutorial/pipe-simplex");

        Assert.Equal(["receiver: receives True, sends False", "sender: receives False, sends True", "received a", "received b", "received c", "end of stream."], run.Output);
    }

    [Fact]
    public async Task ThePoolRunsEightCallsAtMostFiveAtOnceAndEndsThemBeforeTheClosingLine()
    {
        SampleRun run = await RunAsync("tutorial/pool");

        int main = Number(MainProcess().Match(run.Output[0]), "id");
        Assert.Single(run.Output, "Waiting for all subprocesses ended...");
        Assert.Equal("all subprocesses ended.", run.Output[^1]);
        Dictionary<int, int> processOf = [];
        List<int> ended = [];
        foreach (string line in run.Output)
        {
            if (TaskRuns().Match(line) is { Success: true } runs)
            {
                int process = Number(runs, "id");
                Assert.NotEqual(main, process);
                Assert.DoesNotContain(process, processOf.Where(pair => !ended.Contains(pair.Key)).Select(pair => pair.Value));
                processOf.Add(Number(runs, "task"), process);
                Assert.True(processOf.Count - ended.Count <= 5, run.ToString());
            }
            else if (TaskEnds().Match(line) is { Success: true } ends)
            {
                Assert.Contains(Number(ends, "task"), processOf.Keys);
                ended.Add(Number(ends, "task"));
            }
        }

        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7], ended.Order());
        Assert.Equal(19, run.Output.Count);
    }

    [Fact]
    public async Task ThreeCoroutinesFetchAtOnceAndTheirPagesArriveInAnotherOrder()
    {
        SampleRun run = await RunAsync("tutorial/coroutines");

        Assert.Equal(6, run.Output.Count);
        string[] visited = [.. run.Output.Take(3).Select(line => Url(Visit(), line))];
        string[] received = [.. run.Output.Skip(3).Select(line => Url(Received(), line))];
        Assert.Equal(visited.Order(), received.Order());
        Assert.NotEqual(visited, received);
        Assert.Equal(["/github", "/python", "/xueyp"], visited.Select(url => new Uri(url).AbsolutePath));
        Assert.Equal(
            [("/github", 53784), ("/python", 49115), ("/xueyp", 7101)],
            run.Output.Skip(3).Select(Page).OrderBy(page => page.Path, StringComparer.Ordinal));
    }

    [Fact]
    public async Task TheCoroutinePoolVisitsThreeAtATimeAndListsItsResultsInTheOrderOfTheUrls()
    {
        SampleRun run = await RunAsync("tutorial/coroutine-pool");

        HashSet<string> underWay = [];
        List<string> visited = [];
        foreach (string line in run.Output.SkipLast(1))
        {
            if (Visit().Match(line) is { Success: true } visit)
            {
                visited.Add(visit.Groups["url"].Value);
                Assert.True(underWay.Add(visited[^1]) && underWay.Count <= 3, run.ToString());
            }
            else
            {
                Assert.True(underWay.Remove(Url(Received(), line)), run.ToString());
            }
        }

        Assert.Empty(underWay);
        Assert.Equal(["/github", "/python", "/xueyp", "/baidu", "/163"], visited.Select(url => new Uri(url).AbsolutePath));
        Assert.Equal($"[{string.Join(", ", visited.Select(url => $"'{url} is fetched'"))}]", run.Output[^1]);
        Assert.Equal(
            [("/163", 688437), ("/baidu", 81), ("/github", 53784), ("/python", 49115), ("/xueyp", 7101)],
            run.Output.Where(line => Received().IsMatch(line)).Select(Page).OrderBy(page => page.Path, StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("tutorial/coroutines")]
    [InlineData("tutorial/coroutine-pool")]
    public async Task APageThatCanNotBeFetchedIsReportedAndStopsNothing(string sample)
    {
        // Nothing listens there: the port is reserved for a service of the eighties.
        const string Unreachable = "http://127.0.0.1:1/";

        SampleRun run = await RunAsync(sample, Unreachable);

        Assert.Equal($"Visit --> {Unreachable}", run.Output[0]);
        Assert.Contains("127.0.0.1:1", run.Output[1], StringComparison.Ordinal);

        // On a busy machine the first request may take the coroutines' thread for long enough to be told.
        Assert.DoesNotContain(run.Errors, line => !line.Contains("blocked the coroutine", StringComparison.Ordinal) && !line.Contains("has been blocking the coroutine", StringComparison.Ordinal));
    }

    [Fact]
    public async Task TheWorkersDoTheTasksOfTheServer_EachOnce()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("tutorial-");
        try
        {
            await SampleProcess.BuildOnceAsync("tutorial/manager-server");
            await SampleProcess.BuildOnceAsync("tutorial/manager-worker");
            string key = Path.Combine(folder.FullName, "key");
            ManagerKey.Generate().Save(key);
            string port = FreePort();
            Task<SampleRun> server = RunAsync("tutorial/manager-server", port, key);
            await Eventually.True(() => IsThere(port), "the server listens", seconds: 60);
            SampleRun[] workers = await Task.WhenAll(RunAsync("tutorial/manager-worker", "127.0.0.1", port, key), RunAsync("tutorial/manager-worker", "127.0.0.1", port, key));
            SampleRun served = await server;

            string[] urls = [.. Enumerable.Range(0, 10).Select(i => $"ImageUrl_{i}")];
            Assert.Equal([.. urls.Select(url => $"put task {url} ..."), "try get result..."], served.Output.Take(11));
            Assert.Equal(urls.Select(url => $"result is {url}--->success"), served.Output.Skip(11).Order(StringComparer.Ordinal));
            Assert.All(workers, worker =>
            {
                Assert.Equal("Connect to server 127.0.0.1...", worker.Output[0]);
                Assert.Equal("worker exit.", worker.Output[^1]);
            });
            Assert.Equal(urls.Select(url => $"run task download {url}..."), workers.SelectMany(worker => worker.Output.Skip(1).SkipLast(1)).Order(StringComparer.Ordinal));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string FreePort()
    {
        using Socket probe = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port.ToString(CultureInfo.InvariantCulture);
    }

    private static bool IsThere(string port)
    {
        using Socket probe = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.Connect(IPAddress.Loopback, int.Parse(port, CultureInfo.InvariantCulture));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static async Task<SampleRun> RunAsync(string sample, params string[] arguments)
    {
        SampleRun run = await SampleProcess.RunAsync(sample, arguments);
        Assert.True(run.ExitCode == 0, run.ToString());
        return run;
    }

    private static int Number(Match match, string group)
    {
        Assert.True(match.Success, $"A line has not the form that its place asks for; the group '{group}' is missing.");
        return int.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);
    }

    private static string Url(Regex form, string line)
    {
        Assert.Matches(form, line);
        return form.Match(line).Groups["url"].Value;
    }

    private static (string Path, int Bytes) Page(string line)
    {
        Match match = Received().Match(line);
        return (new Uri(match.Groups["url"].Value).AbsolutePath, Number(match, "bytes"));
    }

    [GeneratedRegex(@"^Thread_(?<thread>[12]) (?<what>locked|released), Number: (?<number>\d)$")]
    private static partial Regex LockLine();

    [GeneratedRegex(@"^this is main progress \((?<parent>\d+)\) start \.\.\.$")]
    private static partial Regex ForkStart();

    [GeneratedRegex(@"^parent process: (?<parent>\d+) created a child process \((?<child>\d+)\)\.$")]
    private static partial Regex ForkParent();

    [GeneratedRegex(@"^child process: (?<child>\d+) and parent process is \((?<parent>\d+)\)$")]
    private static partial Regex ForkChild();

    [GeneratedRegex(@"^parent process (?<id>\d+)\.$")]
    private static partial Regex ParentProcess();

    [GeneratedRegex(@"^child process (?<name>\d) \((?<id>\d+)\) is running\.\.\.$")]
    private static partial Regex ChildProcess();

    [GeneratedRegex(@"^process\((?<id>\d+)\) (?<what>send: |rev:)(?<message>aa\d)$")]
    private static partial Regex PipeLine();

    [GeneratedRegex(@"^main process (?<id>\d+)\.$")]
    private static partial Regex MainProcess();

    [GeneratedRegex(@"^task (?<task>\d) \(pid = (?<id>\d+)\) is running\.\.\.$")]
    private static partial Regex TaskRuns();

    [GeneratedRegex(@"^task (?<task>\d) ended\.$")]
    private static partial Regex TaskEnds();

    [GeneratedRegex(@"^Visit --> (?<url>\S+)$")]
    private static partial Regex Visit();

    [GeneratedRegex(@"^(?<bytes>\d+) bytes received from (?<url>\S+)\.$")]
    private static partial Regex Received();
}
