using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using ManyHands.Managers;
using Microsoft.Data.Sqlite;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>What a manager's storage has reported as committed is in its file, whatever happens to the process.</summary>
[UnsupportedOSPlatform("windows")]
public sealed partial class StorageTests : LeakChecked
{
    private const UnixFileMode OwnersOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("storage-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string FilePath => Path.Combine(directory.FullName, "manager.db");

    public override async ValueTask DisposeAsync()
    {
        directory.Delete(recursive: true);
        await base.DisposeAsync();
    }

    [Fact]
    public async Task AllKindsOfChanges_AreThereAgain()
    {
        byte[] large = new byte[3 << 20];
        Random.Shared.NextBytes(large);
        await using (ManagerStorage storage = Opened(out IReadOnlyList<StoredObject> nothing))
        {
            Assert.Empty(nothing);
            Declare(storage, "queue ☃", ObjectKind.Queue, "System.String");
            Declare(storage, "other", ObjectKind.Queue, "System.Int32");
            Declare(storage, "dictionary", ObjectKind.Dictionary, "a");
            Declare(storage, "dictionary", ObjectKind.Dictionary, "b");
            foreach (long number in (long[])[1, 2, 300, long.MaxValue])
                storage.Write(new(StorageChangeKind.ItemAdded, "queue ☃", number, Value: number == 2 ? large : number == 300 ? [] : [(byte)number]), null);
            storage.Write(new(StorageChangeKind.ItemDelivered, "queue ☃", 2), null);
            storage.Write(new(StorageChangeKind.ItemDelivered, "queue ☃", 2), null);
            storage.Write(new(StorageChangeKind.ItemDelivered, "queue ☃", 300), null);
            storage.Write(new(StorageChangeKind.ItemAdded, "other", 1, Value: [9]), null);
            storage.Write(new(StorageChangeKind.Completed, "other"), null);
            storage.Write(new(StorageChangeKind.EntrySet, "dictionary", Key: [1], Value: [1]), null);
            storage.Write(new(StorageChangeKind.Cleared, "dictionary"), null);
            storage.Write(new(StorageChangeKind.EntrySet, "dictionary", Key: [], Value: []), null);
            storage.Write(new(StorageChangeKind.EntrySet, "dictionary", Key: [2], Value: [1]), null);
            storage.Write(new(StorageChangeKind.EntrySet, "dictionary", Key: [2], Value: large), null);
            storage.Write(new(StorageChangeKind.EntrySet, "dictionary", Key: [3], Value: [3]), null);
            storage.Write(new(StorageChangeKind.EntryRemoved, "dictionary", Key: [3]), null);
        }

        await using (ManagerStorage storage = Opened(out IReadOnlyList<StoredObject> objects))
        {
            Assert.Equal(["queue ☃", "other", "dictionary"], objects.Select(stored => stored.Name));
            Assert.Equal([(ObjectKind.Queue, "System.String", false), (ObjectKind.Queue, "System.Int32", true), (ObjectKind.Dictionary, "b", false)], objects.Select(stored => (stored.Kind, stored.TypeName, stored.IsCompleted)));
            Assert.Equal([(1, 0), (2, 2), (300, 1), (long.MaxValue, 0)], objects[0].Items.Select(item => (item.Number, item.Deliveries)));
            Assert.Equal(large, objects[0].Items[1].Value);
            Assert.Empty(objects[0].Items[2].Value);
            Assert.Equal([[], [2]], objects[2].Entries.Select(entry => entry.Key));
            Assert.Equal([[], large], objects[2].Entries.Select(entry => entry.Value));

            // Declared again, as at each start, they stay what they were; as something else, they begin anew.
            Declare(storage, "queue ☃", ObjectKind.Queue, "System.String");
            storage.Write(new(StorageChangeKind.ItemRemoved, "queue ☃", 1), null);
            Declare(storage, "dictionary", ObjectKind.Queue, "c");
            storage.Write(new(StorageChangeKind.ItemAdded, "dictionary", 1, Value: [7]), null);
        }

        await using (Opened(out IReadOnlyList<StoredObject> objects))
        {
            Assert.Equal([2, 300, long.MaxValue], objects.Single(stored => stored.Name == "queue ☃").Items.Select(item => item.Number));
            StoredObject anew = objects.Single(stored => stored.Name == "dictionary");
            Assert.Equal((ObjectKind.Queue, "c", 1), (anew.Kind, anew.TypeName, anew.Items.Count));
        }
    }

    [Fact]
    public async Task Killed_AtAnyMoment_EveryReportedChangeIsThere_InOrder()
    {
        using SharedArray<long> reported = new(1);
        StorageWork.Model model = new();
        Random random = new(7);
        for (int round = 0; round < 20; round++)
        {
            long due = model.Last + random.Next(30_000);
            await using (WorkerProcess writer = WorkerProcess.Start(StorageWork.WriteOn, FilePath, reported, model.Last))
            {
                await Eventually.True(() => Reported() is var last && (last < 0 || last >= due), $"{due} changes are reported", seconds: 30);
                writer.Kill();
                await writer.JoinAsync(Token);
            }

            long promised = Reported();
            Assert.True(promised >= 0, "not reported in order, or as failed");
            await using ManagerStorage storage = Opened(out IReadOnlyList<StoredObject> objects);
            if (objects.Count == 0)
            {
                Assert.Equal(0, promised);
                continue;
            }

            long seen = objects.SelectMany(stored => stored.Items.Select(item => item.Number).Concat(stored.Entries.Select(entry => BitConverter.ToInt64(entry.Value)))).Append(0).Max();
            Assert.All(objects.SelectMany(stored => stored.Items), item => Assert.Equal(StorageWork.Value(item.Number), item.Value));
            model.AdvanceTo(Math.Max(seen, promised));

            // Of the last changes, some leave no number behind.
            for (int more = 0; more < 4 && !model.Is(objects); more++)
                model.AdvanceTo(model.Last + 1);
            Assert.True(model.Is(objects), $"round {round}: {promised} changes were reported, the file has the number {seen}, and what is there is not the result of any number of changes from there on");
            Volatile.Write(ref MemoryMarshal.GetReference(reported.Span), model.Last);
        }

        long Reported() => Volatile.Read(ref MemoryMarshal.GetReference(reported.Span));
    }

    [Fact]
    public async Task Reports_AreInOrder_OnTheStoragesThread_AndNoneIsLeftOut()
    {
        const int Count = 50_000;
        List<int> order = [];
        HashSet<string?> threads = [];
        ManagerStorage storage = Opened(out _);
        Declare(storage, "queue", ObjectKind.Queue, "");
        for (int i = 0; i < Count; i++)
        {
            int number = i;
            storage.Write(new(StorageChangeKind.ItemAdded, "queue", i, Value: [1, 2, 3]), failure =>
            {
                order.Add(failure is null ? number : -1);
                threads.Add(Thread.CurrentThread.Name);
            });
        }

        // Writes what is left.
        await Task.WhenAll(storage.DisposeAsync().AsTask(), storage.DisposeAsync().AsTask()).InTime(Deadline, Token);
        Assert.Equal(Enumerable.Range(0, Count), order);
        Assert.Equal(["ManyHands storage"], threads);
        Assert.Throws<ObjectDisposedException>(() => storage.Write(new(StorageChangeKind.ItemRemoved, "queue", 1), null));
        Assert.Equal([FilePath], Directory.GetFiles(directory.FullName));
        Assert.Empty(Descriptors());
        await using (Opened(out IReadOnlyList<StoredObject> objects))
            Assert.Equal(Enumerable.Range(0, Count).Select(number => (long)number), objects[0].Items.Select(item => item.Number));
    }

    [Fact]
    public async Task Item_AddedAndRemovedInOneTransaction_IsNeverWritten()
    {
        // With all their changes, they are less than a transaction takes.
        const int Count = 500;
        await using ManagerStorage storage = Opened(out _);
        Declare(storage, "queue", ObjectKind.Queue, "");
        using (Holding(storage))
        {
            for (int i = 0; i < Count; i++)
                storage.Write(new(StorageChangeKind.ItemAdded, "queue", i, Value: new byte[1000]), null);
            for (int i = 0; i < Count; i++)
            {
                storage.Write(new(StorageChangeKind.ItemDelivered, "queue", i), null);
                storage.Write(new(StorageChangeKind.ItemRemoved, "queue", i), null);
            }
        }

        await Committed(storage, new(StorageChangeKind.ItemAdded, "queue", Count, Value: [5]));
        await storage.DisposeAsync();

        // The file doesn't shrink, so it has had no place for them at any time.
        Assert.InRange(new FileInfo(FilePath).Length, 1, 100_000);
        await using (Opened(out IReadOnlyList<StoredObject> objects))
            Assert.Equal([Count], objects[0].Items.Select(item => item.Number));
    }

    [Fact]
    public async Task Writer_WaitsWhileTooMuchIsWaiting_AndGoesOnWhenThereIsRoom()
    {
        await using ManagerStorage storage = Opened(out _);
        Declare(storage, "queue", ObjectKind.Queue, "");
        Flood flood = new(storage);
        using (Holding(storage))
        {
            await flood.StartAndStall();

            // Whoever asks on behalf of others holds their gate, and must not wait for the storage, which may wait for that.
            storage.Write(new(StorageChangeKind.ItemAdded, "queue", Flood.Count, Value: new byte[1 << 20]), null);
            Assert.False(storage.RoomAsync().IsCompleted);
        }

        Assert.Null(flood.Join());
        await storage.DisposeAsync();
        await using (Opened(out IReadOnlyList<StoredObject> objects))
            Assert.Equal(Flood.Count + 1, objects[0].Items.Count);
    }

    [Fact]
    public async Task WriterThatWaits_IsToldWhenTheStorageEnds()
    {
        ManagerStorage storage = Opened(out _);
        Declare(storage, "queue", ObjectKind.Queue, "");
        Flood flood = new(storage);
        Task ending;
        using (Holding(storage))
        {
            await flood.StartAndStall();
            ending = storage.DisposeAsync().AsTask();
            Assert.IsType<ObjectDisposedException>(flood.Join());
            Assert.False(ending.IsCompleted);
        }

        await ending.InTime(Deadline, Token);
    }

    [Fact]
    public async Task SecondManager_IsRefused_AtOnce_AndFreeAgainAfterwards()
    {
        await using (ManagerStorage storage = Opened(out _))
        {
            Declare(storage, "queue", ObjectKind.Queue, "");
            long startedAt = Stopwatch.GetTimestamp();
            IOException here = Assert.ThrowsAny<IOException>(() => ManagerStorage.Sqlite(FilePath));
            Assert.Contains($"{FilePath} failed. Another manager or program has the file open", here.Message, StringComparison.Ordinal);
            Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 2);
            Assert.Contains("has the file open", await OpenElsewhere(), StringComparison.Ordinal);

            // Whoever closes a descriptor of the file, ends the process's locks of the one kind; those of the other stay.
            Assert.ThrowsAny<IOException>(() => File.ReadAllBytes(FilePath));
            Assert.Contains("one at a time may have it", await OpenElsewhere(), StringComparison.Ordinal);
            await Committed(storage, new(StorageChangeKind.ItemAdded, "queue", 1, Value: [1]));
        }

        Assert.Equal("opened", await OpenElsewhere());
        await using ManagerStorage next = Opened(out IReadOnlyList<StoredObject> objects);
        Assert.Single(objects[0].Items);
        Assert.Throws<InvalidOperationException>(() => next.Load());
    }

    [Fact]
    public async Task OtherFiles_AreRefused_ByName_AndNotChanged()
    {
        File.WriteAllText(FilePath, "not a database");
        File.SetUnixFileMode(FilePath, OwnersOnly);
        Refused("It is no database of SQLite");
        File.WriteAllBytes(FilePath, [.. Enumerable.Range(0, 8192).Select(number => (byte)number)]);
        Refused("It is no database of SQLite");
        File.Delete(FilePath);
        Sql("CREATE TABLE t (x)");
        File.SetUnixFileMode(FilePath, OwnersOnly);
        Refused("is a database of another application");
        Sql("PRAGMA journal_mode = WAL");
        Sql("INSERT INTO t VALUES (1)");
        Refused("is a database of another application");
        Sql("DROP TABLE t");
        Sql("PRAGMA application_id = 77");
        Refused("application_id 77");
        File.Delete(FilePath);
        await (await Prepared()).DisposeAsync();
        Sql("PRAGMA user_version = 2");
        Refused("is of version 2, and this package knows version 1");
        Sql("PRAGMA user_version = 1");
        byte[] damaged = File.ReadAllBytes(FilePath);
        damaged.AsSpan(4096).Fill(0xFF);
        File.WriteAllBytes(FilePath, damaged);
        Refused("The database is damaged");

        void Refused(string words)
        {
            byte[] before = File.ReadAllBytes(FilePath);
            IOException refusal = Assert.ThrowsAny<IOException>(() => ManagerStorage.Sqlite(FilePath));
            Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
            Assert.Contains(FilePath, refusal.Message, StringComparison.Ordinal);
            Assert.Equal(before, File.ReadAllBytes(FilePath));
            Assert.Equal([FilePath], Directory.GetFiles(directory.FullName));
            Assert.Empty(Descriptors());
        }
    }

    [Fact]
    public async Task Files_AreTheirOwnersOnly_AndAnythingElseIsRefused()
    {
        await using (ManagerStorage storage = await Prepared())
        {
            string[] files = Directory.GetFiles(directory.FullName);
            Assert.Equal([FilePath, FilePath + "-wal"], files.Order());
            Assert.All(files, file => Assert.Equal(OwnersOnly, File.GetUnixFileMode(file)));
        }

        File.SetUnixFileMode(FilePath, OwnersOnly | UnixFileMode.GroupRead);
        Refused(FilePath, $"chmod 600 '{FilePath}'");
        File.SetUnixFileMode(FilePath, OwnersOnly);
        string link = Path.Combine(directory.FullName, "link.db");
        File.CreateSymbolicLink(link, FilePath);
        Refused(link, "it is a link");
        File.CreateSymbolicLink(FilePath + "-wal", Path.Combine(directory.FullName, "elsewhere"));
        Refused(FilePath, $"{FilePath}-wal isn't safe to use");
        File.Delete(FilePath + "-wal");
        Refused(directory.FullName, "is a folder");
        Refused(Path.Combine(directory.FullName, "away", "x.db"), "Make it first");
        Assert.Throws<ArgumentException>(() => ManagerStorage.Sqlite(""));
        if (Environment.IsPrivilegedProcess)
        {
            Assert.Equal(0, ChangeOwner(FilePath, 65534, 65534));
            Refused(FilePath, "it belongs to user 65534");
            Assert.Equal(0, ChangeOwner(FilePath, 0, 0));
        }

        await using (Opened(out _))
        {
        }

        static void Refused(string path, string words) =>
            Assert.Contains(words, Assert.ThrowsAny<IOException>(() => ManagerStorage.Sqlite(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FullDisk_IsTold_AndLaterChangesAreTriedAnew()
    {
        if (!Environment.IsPrivilegedProcess || Mount("tmpfs", directory.FullName, "tmpfs", 0, "size=4m,mode=700") != 0)
            Assert.Skip("Mounting a small file system is not allowed here.");
        try
        {
            await using (ManagerStorage storage = await Prepared())
            {
                await Committed(storage, new(StorageChangeKind.ItemAdded, "queue", 1, Value: new byte[1000]));
                IOException refusal = await Assert.ThrowsAsync<IOException>(() => Committed(storage, new(StorageChangeKind.ItemAdded, "queue", 2, Value: new byte[16 << 20])));
                Assert.Contains($"{FilePath} failed. There is no room for it", refusal.Message, StringComparison.Ordinal);

                // A table made by a transaction that failed is made again.
                Task[] together;
                using (Holding(storage))
                {
                    Declare(storage, "new", ObjectKind.Queue, "T");
                    together = [Committed(storage, new(StorageChangeKind.ItemAdded, "new", 1, Value: new byte[16 << 20])), Committed(storage, new(StorageChangeKind.ItemAdded, "new", 2, Value: [2]))];
                }

                await Assert.ThrowsAsync<IOException>(() => together[0]);
                await together[1];

                // What is asked for together is kept together, or not at all; and whoever asks beside it is kept all the same.
                TaskCompletionSource<Exception?> both = new(TaskCreationOptions.RunContinuationsAsynchronously);
                Task beside;
                using (Holding(storage))
                {
                    storage.WriteAll([new(StorageChangeKind.ItemAdded, "queue", 10, Value: [1]), new(StorageChangeKind.ItemAdded, "queue", 11, Value: new byte[16 << 20])], both.SetResult);
                    beside = Committed(storage, new(StorageChangeKind.ItemAdded, "new", 4, Value: [4]));
                }

                Assert.IsAssignableFrom<IOException>(await both.Task);
                await beside;
                await Committed(storage, new(StorageChangeKind.ItemAdded, "queue", 3, Value: new byte[1000]));
            }

            await using (Opened(out IReadOnlyList<StoredObject> objects))
            {
                Assert.Equal([1, 3], objects.Single(stored => stored.Name == "queue").Items.Select(item => item.Number));
                StoredObject anew = objects.Single(stored => stored.Name == "new");
                Assert.Equal([2, 4], anew.Items.Select(item => item.Number));
                Assert.Equal("T", anew.TypeName);
            }
        }
        finally
        {
            Assert.Equal(0, Unmount(directory.FullName));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("-wal")]
    public async Task DeletedFile_IsTold(string suffix)
    {
        await using ManagerStorage storage = await Prepared();
        File.Delete(FilePath + suffix);
        IOException refusal = await Assert.ThrowsAsync<IOException>(() => Committed(storage, new(StorageChangeKind.ItemAdded, "queue", 2, Value: [2])));
        Assert.Contains("was deleted while it was open", refusal.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<IOException>(() => Committed(storage, new(StorageChangeKind.ItemAdded, "queue", 3, Value: [3])));
    }

    [Fact]
    public async Task WrongChanges_AreRefused_BeforeTheyAreTaken()
    {
        await using ManagerStorage storage = ManagerStorage.Sqlite(FilePath);
        Assert.Throws<InvalidOperationException>(() => Declare(storage, "queue", ObjectKind.Queue, ""));
        storage.Load();
        Declare(storage, "queue", ObjectKind.Queue, "");
        Assert.Throws<ArgumentException>(() => Declare(storage, "lock", ObjectKind.Lock, ""));
        Assert.Throws<ArgumentException>(() => storage.Write(new(StorageChangeKind.ItemAdded, "unknown", 1, Value: [1]), null));
        Assert.Throws<ArgumentException>(() => storage.Write(new(StorageChangeKind.Cleared, "queue"), null));
        await Committed(storage, new(StorageChangeKind.ItemAdded, "queue", 1, Value: [1]));
    }

    /// <summary>Far below what is usual, but far above what one transaction per change or a wait for the disk would reach. The figures are in the test's output.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Changes_AreKeptQuickly(bool isDurable)
    {
        const int Count = 300_000;
        const int Singles = 2000;
        await using ManagerStorage storage = ManagerStorage.Sqlite(FilePath, new() { IsDurable = isDurable });
        storage.Load();
        Declare(storage, "queue", ObjectKind.Queue, "");
        byte[] value = new byte[100];
        Random.Shared.NextBytes(value);
        List<double> adds = [];
        List<double> removals = [];
        for (int round = 0; round < 3; round++)
        {
            adds.Add(await Rate(StorageChangeKind.ItemAdded));
            removals.Add(await Rate(StorageChangeKind.ItemRemoved));
        }

        double[] times = new double[Singles];
        for (int i = 0; i < Singles; i++)
        {
            long startedAt = Stopwatch.GetTimestamp();
            using ManualResetEventSlim done = new();
            storage.Write(new(StorageChangeKind.ItemAdded, "queue", i, Value: value), _ => done.Set());
            Assert.True(done.Wait(Deadline, Token));
            times[i] = Stopwatch.GetElapsedTime(startedAt).TotalMicroseconds;
        }

        Array.Sort(times);
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"durable {isDurable}: items of {value.Length} bytes, each reported: {string.Join(" ", adds.Select(rate => $"{rate:N0}"))} added/s, {string.Join(" ", removals.Select(rate => $"{rate:N0}"))} removed/s; "
            + $"one change: median {times[Singles / 2]:N0} µs, 99 % {times[Singles * 99 / 100]:N0} µs, worst {times[^1]:N0} µs");
        Assert.InRange(adds.Max(), 20_000, double.MaxValue);

        async Task<double> Rate(StorageChangeKind kind)
        {
            int reported = 0;
            long startedAt = Stopwatch.GetTimestamp();
            TaskCompletionSource all = new(TaskCreationOptions.RunContinuationsAsynchronously);
            for (int i = 0; i < Count; i++)
            {
                storage.Write(new(kind, "queue", i, Value: kind == StorageChangeKind.ItemAdded ? value : null), failure =>
                {
                    if (failure is null && ++reported == Count)
                        all.SetResult();
                });
            }

            await all.Task.InTime(Deadline, Token);
            return Count / Stopwatch.GetElapsedTime(startedAt).TotalSeconds;
        }
    }

    private static void Declare(ManagerStorage storage, string name, ObjectKind kind, string type) => storage.Write(new(StorageChangeKind.Declared, name, (long)kind, type), null);

    /// <summary>Keeps the storage's thread, between two transactions, until it is disposed of.</summary>
    private static Holder Holding(ManagerStorage storage)
    {
        Holder holder = new();
        Declare(storage, "held", ObjectKind.Queue, "");
        storage.Write(new(StorageChangeKind.ItemRemoved, "held", 0), holder.Hold);
        holder.WaitUntilHeld();
        return holder;
    }

    private static Task Committed(ManagerStorage storage, StorageChange change)
    {
        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        storage.Write(change, failure =>
        {
            if (failure is null)
                done.SetResult();
            else
                done.SetException(failure);
        });
        return done.Task.InTime(Deadline, Token);
    }

    private ManagerStorage Opened(out IReadOnlyList<StoredObject> objects)
    {
        ManagerStorage storage = ManagerStorage.Sqlite(FilePath);
        objects = storage.Load();
        return storage;
    }

    /// <summary>Open, with one queue in the file.</summary>
    private async Task<ManagerStorage> Prepared()
    {
        ManagerStorage storage = Opened(out _);
        await Committed(storage, new(StorageChangeKind.Declared, "queue", (long)ObjectKind.Queue, ""));
        return storage;
    }

    private async Task<string> OpenElsewhere()
    {
        await using WorkerProcess<string> other = WorkerProcess.Start(StorageWork.Open, FilePath);
        return await other;
    }

    private void Sql(string text)
    {
        using SqliteConnection connection = new($"Data Source={FilePath};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
#pragma warning disable CA2100 // The texts are above.
        command.CommandText = text;
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }

    private List<string> Descriptors() =>
        [.. Directory.EnumerateFileSystemEntries("/proc/self/fd").Select(path => new FileInfo(path).LinkTarget).OfType<string>().Where(target => target.StartsWith(FilePath, StringComparison.Ordinal))];

    [LibraryImport("libc", EntryPoint = "chown", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeOwner(string path, uint owner, uint group);

    [LibraryImport("libc", EntryPoint = "mount", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Mount(string source, string target, string kind, nuint flags, string data);

    [LibraryImport("libc", EntryPoint = "umount", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Unmount(string target);

    private sealed class Holder : IDisposable
    {
        private readonly ManualResetEventSlim held = new();
        private readonly ManualResetEventSlim released = new();

        public void Hold(Exception? failure)
        {
            held.Set();
            released.Wait(Deadline);
        }

        public void WaitUntilHeld() => Assert.True(held.Wait(Deadline));

        public void Dispose() => released.Set();
    }

    /// <summary>A thread that writes more than may wait.</summary>
    private sealed class Flood
    {
        public const int Count = 100;
        private const int UntilFull = 64;

        private readonly Thread thread;
        private int written;
        private Exception? failure;

        public Flood(ManagerStorage storage) => thread = new(() => failure = Record.Exception(() =>
        {
            byte[] value = new byte[1 << 20];
            for (; written < Count; Volatile.Write(ref written, written + 1))
            {
                storage.RoomAsync().Wait();
                storage.Write(new(StorageChangeKind.ItemAdded, "queue", written, Value: value), null);
            }
        }));

        public async Task StartAndStall()
        {
            thread.Start();
            await Eventually.True(() => Volatile.Read(ref written) == UntilFull && thread.ThreadState.HasFlag(System.Threading.ThreadState.WaitSleepJoin), "the writer waits", seconds: 30);
        }

        public Exception? Join()
        {
            Assert.True(thread.Join(Deadline));
            return failure;
        }
    }
}
