using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ManyHands.Memory;
using ManyHands.Platform;
using ManyHands.Tests.Faults;
using ManyHands.Tests.Samples;
using Xunit;

namespace ManyHands.Tests.Memory;

/// <summary>Opening by name: one object for all, nobody else's, and nothing that is left.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class SharedObjectTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly string name = $"test {Guid.NewGuid()}";

    public enum Kind
    {
        Array,
        Memory,
        Value,
        Queue,
        Lock,
        Semaphore,
        Event,
        Condition,
        Barrier,
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static string Program => Path.Combine(
        SampleProcess.RepositoryRoot(), "tests", "Hosts", "ConsoleHost", "bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0", "ConsoleHost");

    [Fact]
    public void Layout_IsTheOneInTheReadme()
    {
        Assert.Equal(64, Marshal.SizeOf<NameEntry>());
        (string Field, int Offset)[] fields =
        [
            (nameof(NameEntry.Process), 0), (nameof(NameEntry.ProcessStart), 4), (nameof(NameEntry.Descriptor), 8), (nameof(NameEntry.Id), 16),
            (nameof(NameEntry.Offset), 32), (nameof(NameEntry.Length), 40), (nameof(NameEntry.Token), 48),
        ];
        Assert.All(fields, field => Assert.Equal(field.Offset, (int)Marshal.OffsetOf<NameEntry>(field.Field)));
        Assert.Equal((128, 4096), (NameFile.NameOffset, NameFile.EntriesOffset));
    }

    [Fact]
    public async Task UnrelatedProcesses_ExchangeItems()
    {
        using Host server = new($"named serve '{name} a' '{name} b'");
        using Host client = new($"named ask '{name} a' '{name} b' 1000");
        Assert.Equal("999000", (await client.Process.StandardOutput.ReadToEndAsync(Token).InTime(Deadline, Token)).Trim());
        await client.Process.WaitForExitAsync(Token).InTime(Deadline, Token);
        await server.Process.WaitForExitAsync(Token).InTime(Deadline, Token);
        Assert.Equal((0, 0), (server.Process.ExitCode, client.Process.ExitCode));
        Assert.False(File.Exists(FileOf($"{name} a")));
        Assert.False(File.Exists(FileOf($"{name} b")));
    }

    [Fact]
    public async Task EverybodyKilled_TheNameIsFree_AndTheNextOpenerOfAnyNameClearsUp()
    {
        using Gate gate = new();
        string folder = Path.GetDirectoryName(gate.Path)!;
        using Host first = new($"named hold '{name}' '{folder}'");
        using Host second = new($"named hold '{name}' '{folder}'");
        int[] holders = await Holders(folder, 2);
        Assert.Single(Directory.GetFiles(folder, "*-made"));
        Assert.True(SharedObject.TryOpen(name, out SharedValue<int>? value));
        Assert.Equal(2, value.Value);

        // One of two changes nothing; a name goes with the last.
        await Kill(holders[0]);
        using (SharedValue<int> same = SharedObject.Open<SharedValue<int>>(name))
            Assert.Equal(2, same.Value);
        value.Dispose();
        await Kill(holders[1]);
        Assert.True(File.Exists(FileOf(name)));
        NameDirectory directory = new(NameDirectory.Own.Location);
        Assert.False(SharedObject.TryOpenIn(directory, name + " of another", out SharedValue<int>? other));
        Assert.Null(other);
        Assert.False(File.Exists(FileOf(name)));
        using SharedValue<int> fresh = SharedObject.Create(name, static () => new SharedValue<int>(7));
        Assert.Equal(7, fresh.Value);
    }

    [Fact]
    public async Task ProcessThatEnds_WithoutDisposing_LeavesNothing()
    {
        using Gate gate = new();
        string folder = Path.GetDirectoryName(gate.Path)!;
        using Host holder = new($"named hold '{name}' '{folder}'");
        await Holders(folder, 1);
        Assert.True(File.Exists(FileOf(name)));
        Gate.Open(gate.Named("end"));
        await holder.Process.WaitForExitAsync(Token).InTime(Deadline, Token);
        Assert.Equal(0, holder.Process.ExitCode);
        Assert.False(File.Exists(FileOf(name)));
    }

    [Fact]
    public async Task FiftyProcesses_AtATime_OneMakesIt()
    {
        const int Processes = 50;
        using SharedEvent go = new();
        using SharedEvent end = new();
        using SharedValue<int> ready = new();
        using SharedValue<int> made = new();
        using SharedValue<int> opened = new();
        WorkerProcess[] processes = [.. Enumerable.Range(0, Processes).Select(_ => WorkerProcess.Start(
            () =>
            {
                ready.Increment();
                go.Wait();
                using SharedValue<int> value = SharedObject.OpenOrCreate(name, () =>
                {
                    made.Increment();
                    return new SharedValue<int>();
                });
                value.Increment();
                opened.Increment();
                end.Wait();
            }))];
        await Eventually.True(() => ready.Value == Processes, "all have started", 120);
        go.Set();
        await Eventually.True(() => opened.Value == Processes, "all have it", 120);
        Assert.Equal(1, made.Value);
        using (SharedValue<int> value = SharedObject.Open<SharedValue<int>>(name))
            Assert.Equal(Processes, value.Value);
        end.Set();
        foreach (WorkerProcess process in processes)
        {
            Assert.True(await process.JoinAsync(Deadline, Token));
            Assert.Null(process.Exception);
        }

        Assert.False(SharedObject.TryOpen<SharedValue<int>>(name, out _));
        Assert.False(File.Exists(FileOf(name)));
    }

    [Theory]
    [InlineData(Kind.Array)]
    [InlineData(Kind.Memory)]
    [InlineData(Kind.Value)]
    [InlineData(Kind.Queue)]
    [InlineData(Kind.Lock)]
    [InlineData(Kind.Semaphore)]
    [InlineData(Kind.Event)]
    [InlineData(Kind.Condition)]
    [InlineData(Kind.Barrier)]
    public async Task EveryKind_OpenedByName_IsTheSame(Kind kind)
    {
        await using Pool pool = Pool.Processes(1);
        switch (kind)
        {
            case Kind.Array:
                using (SharedArray<int> array = SharedObject.OpenOrCreate(name, static () => new SharedArray<int>([1, 2, 3])))
                {
                    Assert.Equal(6, await pool.RunAsync(static name => Use(SharedObject.Open<SharedArray<int>>(name), static array => array.Span.ToArray().Sum()), name));
                    using SharedArray<int> slice = array.Slice(1, 2);
                    using SharedArray<int> named = SharedObject.Create(name + "/slice", () => slice.Slice(0, 2));
                    Assert.Equal(5, await pool.RunAsync(static name => SharedObject.Open<SharedArray<int>>(name).Span.ToArray().Sum(), name + "/slice"));
                }

                break;
            case Kind.Memory:
                using (SharedMemory memory = SharedObject.OpenOrCreate(name, static () => new SharedMemory(100)))
                {
                    memory.At<int>(4) = 9;
                    Assert.Equal(9, await pool.RunAsync(static name => Use(SharedObject.Open<SharedMemory>(name), static memory => memory.At<int>(4)), name));
                }

                break;
            case Kind.Value:
                using (SharedValue<double> value = SharedObject.OpenOrCreate(name, static () => new SharedValue<double>(1.5)))
                    Assert.Equal(3, await pool.RunAsync(static name => Use(SharedObject.Open<SharedValue<double>>(name), static value => value.Add(1.5)), name));
                break;
            case Kind.Queue:
                using (SharedQueue<string> queue = SharedObject.OpenOrCreate(name, static () => new SharedQueue<string>()))
                {
                    queue.Enqueue("item", Token);
                    Assert.Equal("item", await pool.RunAsync(static name => Use(SharedObject.Open<SharedQueue<string>>(name), static queue => queue.Dequeue()), name));
                }

                break;
            case Kind.Lock:
                using (SharedLock shared = SharedObject.OpenOrCreate(name, static () => new SharedLock()))
                using (shared.Enter(Token))
                    Assert.False(await pool.RunAsync(static name => Use(SharedObject.Open<SharedLock>(name), static shared => shared.TryEnter(out _)), name));
                break;
            case Kind.Semaphore:
                using (SharedSemaphore semaphore = SharedObject.OpenOrCreate(name, static () => new SharedSemaphore(1, 1)))
                {
                    semaphore.Wait(Token);
                    Assert.False(await pool.RunAsync(static name => Use(SharedObject.Open<SharedSemaphore>(name), static semaphore => semaphore.TryWait(TimeSpan.Zero)), name));
                    semaphore.Release();
                }

                break;
            case Kind.Event:
                using (SharedEvent shared = SharedObject.OpenOrCreate(name, static () => new SharedEvent()))
                {
                    shared.Set();
                    Assert.True(await pool.RunAsync(static name => Use(SharedObject.Open<SharedEvent>(name), static shared => shared.IsSet), name));
                }

                break;
            case Kind.Condition:
                using (SharedLock shared = new())
                using (SharedCondition condition = SharedObject.OpenOrCreate(name, () => new SharedCondition(shared)))
                using (shared.Enter(Token))
                {
                    Assert.False(await pool.RunAsync(static name => Use(SharedObject.Open<SharedCondition>(name), static condition => condition.Lock.TryEnter(out _)), name));
                    Assert.False(condition.TryWait(TimeSpan.FromMilliseconds(1), Token));
                }

                break;
            case Kind.Barrier:
                using (SharedBarrier barrier = SharedObject.OpenOrCreate(name, static () => new SharedBarrier(3)))
                    Assert.Equal(3, await pool.RunAsync(static name => Use(SharedObject.Open<SharedBarrier>(name), static barrier => barrier.Parties), name));
                break;
        }
    }

    [Fact]
    public void Errors_SayWhatIsWrong()
    {
        Assert.Equal(SharedNameError.NotFound, Assert.Throws<SharedNameException>(() => SharedObject.Open<SharedLock>(name)).Error);
        Assert.False(SharedObject.TryOpen<SharedLock>(name, out _));
        using SharedQueue<int> queue = SharedObject.Create(name, static () => new SharedQueue<int>());
        using (SharedQueue<int> same = SharedObject.OpenOrCreate(name, Never<SharedQueue<int>>))
        {
            queue.Enqueue(4, Token);
            Assert.Equal(4, same.Dequeue(Token));
        }

        SharedNameException other = Assert.Throws<SharedNameException>(() => SharedObject.Open<SharedQueue<long>>(name));
        Assert.Equal((SharedNameError.OtherType, name), (other.Error, other.Name));
        Assert.Contains("SharedQueue`1[System.Int32], and not of a ManyHands.SharedQueue`1[System.Int64]", other.Message, StringComparison.Ordinal);
        Assert.Equal(SharedNameError.OtherType, Assert.Throws<SharedNameException>(() => SharedObject.OpenOrCreate(name, Never<SharedLock>)).Error);
        Assert.Equal(SharedNameError.Taken, Assert.Throws<SharedNameException>(() => SharedObject.Create(name, Never<SharedQueue<int>>)).Error);
        Assert.Throws<ArgumentNullException>(() => SharedObject.Open<SharedLock>(null!));
        Assert.Throws<ArgumentNullException>(() => SharedObject.OpenOrCreate<SharedLock>(name, null!));
        foreach (string bad in (string[])["", "a\nb", "a\0", "\u0085", "half \uD83D", new('x', SharedObject.LongestName + 1)])
            Assert.Throws<ArgumentException>(() => SharedObject.Open<SharedLock>(bad));

        Assert.Throws<NotSupportedException>(() => SharedObject.Open<SharedPipeEnd<int>>(name));

        static T Never<T>() => throw new InvalidOperationException("There is one already.");
    }

    [Theory]
    [InlineData("/../../etc/passwd")]
    [InlineData(".")]
    [InlineData("Ärger mit 日本語 und 🙂")]
    public void AnyText_IsAName(string text)
    {
        using SharedValue<int> value = SharedObject.Create(name + text, static () => new SharedValue<int>(3));
        using SharedValue<int> same = SharedObject.Open<SharedValue<int>>(name + text);
        Assert.Equal(4, same.Increment());
        Assert.Equal(4, value.Value);
        using SharedValue<int> longest = SharedObject.Create(new string('語', SharedObject.LongestName - 36) + name[^36..], static () => new SharedValue<int>());
    }

    /// <summary>Whoever makes it and fails leaves the name free, for others and for itself.</summary>
    [Fact]
    public void Making_ThatFails_LeavesTheNameFree()
    {
        Assert.Throws<TimeZoneNotFoundException>(() => SharedObject.OpenOrCreate<SharedLock>(name, static () => throw new TimeZoneNotFoundException()));
        Assert.Throws<InvalidOperationException>(() => SharedObject.OpenOrCreate<SharedLock>(name, static () => null!));
        Assert.Throws<ObjectDisposedException>(() => SharedObject.OpenOrCreate(name, static () =>
        {
            SharedLock disposed = new();
            disposed.Dispose();
            return disposed;
        }));
        Assert.False(File.Exists(FileOf(name)));
        using SharedLock shared = SharedObject.OpenOrCreate(name, static () => new SharedLock());
    }

    [Fact]
    public void Object_IsOneHere_AndItsNameGoesWithTheLastUseOfIt()
    {
        SharedLock first = SharedObject.OpenOrCreate(name, static () => new SharedLock());
        SharedLock second = SharedObject.Open<SharedLock>(name);
        using SharedLock alias = SharedObject.Create(name + " too", () => SharedObject.Open<SharedLock>(name));
        first.Dispose();
        SharedObject.Open<SharedLock>(name).Dispose();
        second.Dispose();
        SharedObject.Open<SharedLock>(name).Dispose();
        alias.Dispose();
        Assert.False(SharedObject.TryOpen<SharedLock>(name, out _));
        Assert.False(File.Exists(FileOf(name)));
        Assert.False(File.Exists(FileOf(name + " too")));
    }

    /// <summary>Who got it as an argument has it, but doesn't keep its name.</summary>
    [Fact]
    public async Task Name_IsOfThoseThatOpenedIt()
    {
        await using Pool pool = Pool.Processes(1);
        SharedArray<int> array = SharedObject.Create(name, static () => new SharedArray<int>([1, 2, 3]));
        await pool.RunAsync(SharedWork.Store, array);
        array.Dispose();
        Assert.False(SharedObject.TryOpen<SharedArray<int>>(name, out _));
        Assert.Equal(6, await pool.RunAsync(SharedWork.SumStored));
    }

    [Fact]
    public async Task Object_Forgotten_GivesItsNameBack()
    {
        Forget(name);
        await Eventually.True(
            () =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                return !File.Exists(FileOf(name));
            },
            "the name is free",
            30);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Forget(string name) => SharedObject.OpenOrCreate(name, static () => new SharedArray<int>(10));
    }

    [Fact]
    public void Folder_ThatOthersCouldHaveMade_IsRefused()
    {
        using Folder folder = new();
        string target = folder.Sub("target");
        Directory.CreateDirectory(target, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Directory.CreateSymbolicLink(folder.Sub("link"), target);
        Refused(folder.Sub("link"));
        File.WriteAllText(folder.Sub("file"), "");
        Refused(folder.Sub("file"));
        Directory.CreateDirectory(folder.Sub("open"));
        File.SetUnixFileMode(folder.Sub("open"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute);
        Refused(folder.Sub("open"));
        if (Linux.EffectiveUser() == 0)
        {
            Directory.CreateDirectory(folder.Sub("other"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            using Process chown = Process.Start("chown", ["12345", folder.Sub("other")]);
            chown.WaitForExit();
            Assert.Equal(0, chown.ExitCode);
            Assert.Contains("user 12345", Refused(folder.Sub("other")), StringComparison.Ordinal);
        }

        Assert.Empty(Directory.GetFileSystemEntries(target));
    }

    [Fact]
    public void File_ThatIsNone_OrOpenToOthers_IsRefused()
    {
        using Folder folder = new();
        string path = folder.Sub("names");
        NameDirectory directory = new(path);
        using SharedLock kept = SharedObject.CreateIn(directory, "keeps the folder", static () => new SharedLock());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(path));
        string file = Assert.Single(Directory.GetFiles(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        string precious = folder.Sub("precious");
        string planted = Path.Combine(path, Path.GetFileName(FileOf(name)));

        File.WriteAllText(precious, "precious");
        File.CreateSymbolicLink(planted, precious);
        Refused(path);
        File.Delete(planted);

        File.WriteAllText(planted, "");
        File.SetUnixFileMode(planted, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite);
        Refused(path);
        File.Delete(planted);

        using (Process link = Process.Start("ln", [precious, planted]))
            link.WaitForExit();
        File.SetUnixFileMode(precious, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Refused(path);
        File.Delete(planted);

        using (Process pipe = Process.Start("mkfifo", ["-m", "600", planted]))
            pipe.WaitForExit();
        Refused(path);
        File.Delete(planted);
        Assert.Equal("precious", File.ReadAllText(precious));
    }

    [Fact]
    public void File_WrittenOver_IsATypedError_AndNotSweptAway()
    {
        using Folder folder = new();
        string path = folder.Sub("names");
        using SharedLock kept = SharedObject.CreateIn(new NameDirectory(path), "keeps the folder", static () => new SharedLock());
        using SharedLock shared = SharedObject.CreateIn(new NameDirectory(path), name, static () => new SharedLock());
        string file = Path.Combine(path, Path.GetFileName(FileOf(name)));
        byte[] right = File.ReadAllBytes(file);
        Random random = new(3);
        for (int i = 0; i < 300; i++)
        {
            byte[] wrong = [.. right];
            for (int j = random.Next(1, 4); j > 0; j--)
            {
                int at = random.Next(2) == 0 ? random.Next(128) : NameFile.EntriesOffset + random.Next(64);
                wrong[at] = (byte)random.Next(256);
            }

            File.WriteAllBytes(file, random.Next(4) == 0 ? wrong[..random.Next(wrong.Length)] : wrong);
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            try
            {
                SharedObject.OpenOrCreateIn(new NameDirectory(path), name, static () => new SharedLock()).Dispose();
            }
            catch (Exception failure) when (failure is CorruptSharedMemoryException or SharedNameException)
            {
                Assert.True(File.Exists(file));
            }
        }

        File.WriteAllText(file, "of another version");
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        CorruptSharedMemoryException refusal = Assert.Throws<CorruptSharedMemoryException>(() => SharedObject.OpenOrCreateIn(new NameDirectory(path), name, static () => new SharedLock()));
        Assert.Contains(file, refusal.Message, StringComparison.Ordinal);
        new NameDirectory(path).Sweep();
        Assert.True(File.Exists(file));
        File.Delete(file);
    }

    /// <summary>Somebody was stopped while he had the file; he isn't robbed of it.</summary>
    [Fact]
    public void File_ThatSomebodyKeepsLocked_IsBusy()
    {
        using Folder folder = new();
        NameDirectory directory = new(folder.Sub("names"));
        using (directory.Lock(name, create: true))
        {
            SharedNameException busy = Assert.Throws<SharedNameException>(() => directory.Lock(name, create: true, TimeSpan.FromMilliseconds(50)));
            Assert.Equal((SharedNameError.Busy, name), (busy.Error, busy.Name));
        }

        Assert.False(Directory.Exists(directory.Location));
    }

    /// <summary>Many may want a name at a time, and it takes long until all had their turn. As long as it goes on, none gives up.</summary>
    [Fact]
    public async Task File_ThatIsWrittenTo_IsWaitedFor()
    {
        TimeSpan patience = TimeSpan.FromMilliseconds(400);
        using Folder folder = new();
        NameDirectory directory = new(folder.Sub("names"));
        Task waiter;
        using (NameFile file = directory.Lock(name, create: true)!)
        {
            file.Begin(typeof(SharedLock));
            waiter = Task.Factory.StartNew(() => directory.Lock(name, create: true, patience)!.Dispose(), Token, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            long startedAt = Stopwatch.GetTimestamp();
            for (ulong i = 1; Stopwatch.GetElapsedTime(startedAt) < 2 * patience; i++)
            {
                file.Add(new(Guid.NewGuid(), int.MaxValue - (int)(i % 1000), 5, 6, 0, 0), i);
                Thread.Sleep(1);
            }

            Assert.False(waiter.IsCompleted);
        }

        await waiter.InTime(Deadline, Token);
    }

    /// <summary>One that holds for long, and many that are killed: their places are taken again.</summary>
    [Fact]
    public void Entries_OfTheDead_AreUsedAgain()
    {
        using Folder folder = new();
        NameDirectory directory = new(folder.Sub("names"));
        using SharedLock shared = SharedObject.CreateIn(directory, name, static () => new SharedLock());
        for (ulong i = 1; i <= 100; i++)
        {
            using NameFile file = directory.Lock(name, create: false)!;
            file.Add(new(Guid.NewGuid(), int.MaxValue - (int)i, 5, 6, 0, 0), i);
        }

        FileInfo found = new(Assert.Single(Directory.GetFiles(directory.Location)));
        Assert.InRange(found.Length, NameFile.EntriesOffset + 128, NameFile.EntriesOffset + 192);
        Assert.True(SharedObject.TryOpenIn(directory, name, out SharedLock? same));
        same.Dispose();
    }

    private static TResult Use<T, TResult>(T shared, Func<T, TResult> use)
        where T : class, IDisposable
    {
        using (shared)
            return use(shared);
    }

    private string Refused(string path)
    {
        SharedNameException refusal = Assert.Throws<SharedNameException>(() => SharedObject.OpenOrCreateIn(new NameDirectory(path), name, static () => new SharedLock()));
        Assert.Equal(SharedNameError.Unsafe, refusal.Error);
        Assert.Contains(path, refusal.Message, StringComparison.Ordinal);
        Assert.Equal(SharedNameError.Unsafe, Assert.Throws<SharedNameException>(() => SharedObject.TryOpenIn<SharedLock>(new NameDirectory(path), name, out _)).Error);
        return refusal.Message;
    }

    private static string FileOf(string name) => Path.Combine(NameDirectory.Own.Location, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(name))));

    private static async Task<int[]> Holders(string folder, int count)
    {
        await Eventually.True(() => Directory.GetFiles(folder, "*-holds").Length == count, "all have it", Deadline.TotalSeconds);
        return [.. Directory.GetFiles(folder, "*-holds").Select(static file => int.Parse(Path.GetFileName(file).Split('-')[0], CultureInfo.InvariantCulture))];
    }

    private static async Task Kill(int process)
    {
        Assert.True(Signals.TrySend(process, Signals.Kill));
        await Eventually.True(() => !ProcessInventory.IsAlive(process), "it is dead");
    }

    private sealed class Folder : IDisposable
    {
        private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("names-");

        public string Sub(string name) => Path.Combine(directory.FullName, name);

        public void Dispose() => directory.Delete(recursive: true);
    }

    /// <summary>A program that a shell has started; a test that fails leaves none behind.</summary>
    private sealed class Host(string arguments) : IDisposable
    {
        public Process Process { get; } = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", $"'{Program}' {arguments}; exit $?"]) { RedirectStandardOutput = true })!;

        public void Dispose()
        {
            Process.Kill(entireProcessTree: true);
            Process.Dispose();
        }
    }
}
