using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using ManyHands.Managers;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>What a storage can't keep is not done and told to whoever asked; what is there after a restart is what was acknowledged, no more and no less.</summary>
[UnsupportedOSPlatform("windows")]
public sealed partial class StorageFailureTests : LeakChecked
{
    // In memory, as the disk may be slow and isn't what is looked at.
    private readonly DirectoryInfo directory = Directory.Exists("/dev/shm") ? Directory.CreateDirectory($"/dev/shm/full-{Guid.NewGuid():N}") : Directory.CreateTempSubdirectory("full-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string FilePath => Path.Combine(directory.FullName, "manager.db");

    public override async ValueTask DisposeAsync()
    {
        directory.Delete(recursive: true);
        await base.DisposeAsync();
    }

    /// <summary>Every call of the storage in turn, which a new kind of change is among as soon as <see cref="Everything"/> makes it.</summary>
    [Theory]
    [InlineData(StorageFault.Throws)]
    [InlineData(StorageFault.SaysAtOnce)]
    [InlineData(StorageFault.SaysLater)]
    public async Task AnyChangeThatFails_IsTold_AndNotMade_AndTheFileHasWhatWasAcknowledged(StorageFault fault)
    {
        HashSet<StorageChangeKind> seen = [];
        for (int failAt = 1; ; failAt++)
        {
            File.Delete(FilePath);
            int number = failAt;
            FailingStorage storage = new(new Watching(ManagerStorage.Sqlite(FilePath), seen), fault, failAt) { Reason = () => Reasons[number % Reasons.Length]() };
            await using ManagerServer server = new(new() { Storage = storage });
            Everything work = new();
            await work.DoAsync(server);
            bool hasFailed = storage.Asked >= failAt;
            storage.IsMended = true;
            Assert.True(hasFailed || work.Failures == 0, "what was kept was refused");
            await Eventually.True(() => server.Statistics.StorageFailure is null && server.Statistics.Objects.All(one => one.WaitingRequests == 0), $"call {failAt} was made up for");
            work.Compare(server, $"{fault} at call {failAt}, while it runs");
            await server.DisposeAsync();

            await using ManagerServer next = new(new() { Storage = ManagerStorage.Sqlite(FilePath) });
            Everything.Register(next);
            work.Compare(next, $"{fault} at call {failAt}, after a restart");
            if (!hasFailed)
                break;
        }

        Assert.Equal(Enum.GetValues<StorageChangeKind>(), seen.Order());
    }

    /// <summary>An item that has arrived can't be taken back, so its removal is owed; and until it is kept, nothing else is acknowledged.</summary>
    [Fact]
    public async Task RemovalThatFails_IsOwed_AndOtherChangesAreRefused_UntilItIsKept()
    {
        FailingStorage storage = new(ManagerStorage.Sqlite(FilePath), StorageFault.SaysLater, 0);
        await using ManagerServer server = new(new() { Storage = storage });
        ISharedQueue<int> queue = server.RegisterQueue<int>("queue");
        ISharedDictionary<int, int> dictionary = server.RegisterDictionary<int, int>("dictionary");
        queue.EnqueueBatch([1, 2, 3], Token);
        dictionary[1] = 1;
        Assert.Equal(1, queue.Dequeue(Token));
        QueueLease<int> lease = queue.Lease(cancellationToken: Token);
        storage.FailsNow = true;
        Assert.Equal(3, queue.Dequeue(Token));
        await Eventually.True(() => server.Statistics.StorageFailure is not null, "the removal couldn't be kept");
        Assert.Contains("There is no room.", server.Statistics.StorageFailure, StringComparison.Ordinal);
        Assert.All(
            (Action[])[() => queue.Enqueue(4, Token), () => queue.TryDequeue(out _), () => queue.TryLease(out _), lease.Complete, queue.Complete, () => dictionary[1] = 2, () => dictionary.Remove(1, Token), () => dictionary.Clear(Token)],
            change => Assert.Equal(ManagerError.NotStored, Assert.Throws<ManagerException>(change).Error));
        Assert.Equal(1, dictionary[1]);

        storage.FailsNow = false;
        await Eventually.True(() => server.Statistics.StorageFailure is null, "the removal was kept");
        lease.Abandon();
        queue.Enqueue(4, Token);
        await server.DisposeAsync();
        await using ManagerServer next = new(new() { Storage = ManagerStorage.Sqlite(FilePath) });
        ISharedQueue<int> again = next.RegisterQueue<int>("queue");
        Assert.Equal([2, 4], again.DequeueBatch(10, Token));
    }

    [Fact]
    public async Task FullDisk_LosesNothingAndBringsNothingBack()
    {
        const nuint Remount = 32;
        if (!Environment.IsPrivilegedProcess || Mount("tmpfs", directory.FullName, "tmpfs", 0, "size=2m,mode=700") != 0)
            Assert.Skip("Mounting a small file system is not allowed here.");
        try
        {
            const int Size = 10_000;
            List<int> expected = [];
            string ballast = Path.Combine(directory.FullName, "ballast");
            File.WriteAllBytes(ballast, new byte[512 << 10]);
            await using (ManagerServer server = new(new() { Storage = ManagerStorage.Sqlite(FilePath) }))
            {
                server.RegisterQueue<byte[]>("queue");
                server.RegisterDictionary<string, byte[]>("dictionary");
                server.Start();
                await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
                ISharedQueue<byte[]> queue = client.GetQueue<byte[]>("queue");
                ISharedDictionary<string, byte[]> dictionary = client.GetDictionary<string, byte[]>("dictionary");
                ManagerException? refusal = null;
                for (int i = 0; refusal is null; i++)
                {
                    byte[] item = new byte[Size];
                    BitConverter.TryWriteBytes(item, i);
                    if (!Refused(() => queue.Enqueue(item, Token), out refusal))
                        expected.Add(i);
                }

                Assert.Contains("There is no room for it", refusal.Message, StringComparison.Ordinal);
                Assert.InRange(expected.Count, 10, 1000);
                Assert.True(Refused(() => dictionary["key"] = new byte[Size], out _));
                Assert.Equal((expected.Count, 0L), ((int)queue.Count, dictionary.Count));

                // Not even a removal has room.
                string filler = Path.Combine(directory.FullName, "filler");
                Fill(filler);
                List<int> taken = [];
                while (taken.Count < expected.Count && !Refused(() => taken.Add(BitConverter.ToInt32(queue.Dequeue(Token))), out _))
                {
                }

                await Eventually.True(() => server.Statistics.StorageFailure is not null || taken.Count == expected.Count, "nothing can be removed");
                Assert.Equal(expected.Take(taken.Count), taken);
                expected.RemoveRange(0, taken.Count);
                Assert.True(Refused(() => queue.Lease(cancellationToken: Token), out _));
                File.Delete(filler);
                File.Delete(ballast);
                await Eventually.True(() => server.Statistics.StorageFailure is null, "there is room again");

                QueueLease<byte[]> lease = queue.Lease(cancellationToken: Token);
                Assert.Equal(expected[0], BitConverter.ToInt32(lease.Item));
                lease.Complete();
                Assert.Equal(expected[1], BitConverter.ToInt32(queue.Dequeue(Token)));
                expected.RemoveRange(0, 2);
                dictionary["key"] = [1];
            }

            // To take them all needs a log of its own, the larger the fewer of them are written at a time.
            Assert.Equal(0, Mount("tmpfs", directory.FullName, "tmpfs", Remount, "size=64m"));
            await using ManagerServer next = new(new() { Storage = ManagerStorage.Sqlite(FilePath) });
            ISharedQueue<byte[]> again = next.RegisterQueue<byte[]>("queue");
            Assert.Equal(expected.Count, again.Count);
            foreach (int number in expected)
                Assert.Equal(number, BitConverter.ToInt32(again.Dequeue(Token)));
            Assert.Equal([1], next.RegisterDictionary<string, byte[]>("dictionary")["key"]);
        }
        finally
        {
            Assert.Equal(0, Unmount(directory.FullName));
        }
    }

    private static readonly Func<Exception>[] Reasons =
    [
        static () => new IOException("There is no room."), static () => new InvalidOperationException("Not now."), static () => new InvalidCastException(), static () => new InsufficientMemoryException(),
        static () => new ObjectDisposedException("storage"), static () => new UnreadableException(),
    ];

    private static bool Refused(Action change, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out ManagerException? refusal)
    {
        try
        {
            change();
            refusal = null;
        }
        catch (ManagerException reason) when (reason.Error == ManagerError.NotStored)
        {
            refusal = reason;
        }

        return refusal is not null;
    }

    private static void Fill(string path)
    {
        using FileStream file = new(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        byte[] page = new byte[4096];
        try
        {
            while (true)
                file.Write(page);
        }
        catch (IOException)
        {
            // It is full.
        }
    }

    [LibraryImport("libc", EntryPoint = "mount", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Mount(string source, string target, string kind, nuint flags, string data);

    [LibraryImport("libc", EntryPoint = "umount", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Unmount(string target);

    private sealed class UnreadableException : Exception
    {
        public override string Message => throw new InvalidOperationException("Nobody reads this.");
    }

    /// <summary>Another storage, which remembers what it was asked for.</summary>
    private sealed class Watching(ManagerStorage storage, HashSet<StorageChangeKind> seen) : ManagerStorage
    {
        public override ValueTask DisposeAsync() => storage.DisposeAsync();

        internal override IReadOnlyList<StoredObject> Load()
        {
            storage.Lost = (change, reason) => Lost!(change, reason);
            return storage.Load();
        }

        internal override void WriteAll(ReadOnlySpan<StorageChange> changes, Action<Exception?>? committed)
        {
            lock (seen)
            {
                foreach (StorageChange change in changes)
                    seen.Add(change.Kind);
            }

            storage.WriteAll(changes, committed);
        }

        internal override Task RoomAsync() => storage.RoomAsync();
    }

    /// <summary>Makes every change that is kept, and knows what must be there by what was acknowledged.</summary>
    private sealed class Everything
    {
        private readonly List<int> items = [];
        private readonly Dictionary<string, int> entries = [];
        private bool isCompleted;

        public int Failures { get; private set; }

        public static (ISharedQueue<int> Queue, ISharedQueue<int> Completed, ISharedDictionary<string, int> Dictionary) Register(ManagerServer server) =>
            (server.RegisterQueue<int>("queue"), server.RegisterQueue<int>("completed"), server.RegisterDictionary<string, int>("dictionary"));

        public async Task DoAsync(ManagerServer server)
        {
            foreach (Action register in (Action[])[() => server.RegisterQueue<int>("queue"), () => server.RegisterQueue<int>("completed"), () => server.RegisterDictionary<string, int>("dictionary")])
            {
                try
                {
                    register();
                }
                catch (IOException)
                {
                    Failures++;
                    register();
                }
            }

            server.Start();
            await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
            ISharedQueue<int> queue = client.GetQueue<int>("queue");
            ISharedDictionary<string, int> dictionary = client.GetDictionary<string, int>("dictionary");
            Probe rawQueue = new(((RemoteObject)queue).Link, "queue", ObjectKind.Queue, ((RemoteObject)queue).TypeName);
            Probe rawDictionary = new(((RemoteObject)queue).Link, "dictionary", ObjectKind.Dictionary, ((RemoteObject)dictionary).TypeName);

            Try(() => queue.EnqueueBatch([1, 2, 3], Token), () => items.AddRange([1, 2, 3]));
            Try(() => rawQueue.Ask(Operation.ClearQueue), items.Clear);
            for (int i = 4; i < 10; i++)
                Try(() => queue.Enqueue(i, Token), () => items.Add(i));
            Try(() => Assert.True(!queue.TryDequeue(out int taken) || items.Remove(taken)), () => { });
            Try(() => Assert.All(queue.DequeueBatch(2, Token), taken => Assert.True(items.Remove(taken))), () => { }, items.Count > 0);
            QueueLease<int>? lease = null;
            Try(() => queue.TryLease(out lease), () => { });
            if (lease is not null)
                Try(lease.Complete, () => Assert.True(items.Remove(lease.Item)));
            lease?.Dispose();
            lease = null;
            Try(() => queue.TryLease(out lease), () => { });
            lease?.Abandon();
            Try(() => client.GetQueue<int>("completed").Complete(), () => isCompleted = true);

            Try(() => dictionary["a"] = 1, () => entries["a"] = 1);
            Try(() => dictionary["a"] = 2, () => entries["a"] = 2);
            Try(() => Assert.Equal(!entries.ContainsKey("b"), dictionary.TryAdd("b", 1, Token)), () => entries["b"] = 1);
            Try(() => Assert.Equal(entries.ContainsKey("b"), dictionary.TryReplace("b", 2, 1, Token)), () => entries["b"] = 2, entries.ContainsKey("b"));
            Try(() => Assert.Equal(entries.ContainsKey("a"), dictionary.Remove("a", Token)), () => entries.Remove("a"));
            Try(() => dictionary.Clear(Token), entries.Clear);
            Try(() => dictionary["c"] = 3, () => entries["c"] = 3);
            Try(() => dictionary["d"] = 4, () => entries["d"] = 4);
            Try(() => rawDictionary.Ask(Operation.RemoveLast), () => entries.Remove(entries.ContainsKey("d") ? "d" : "c"));
            Try(() => dictionary.AddOrUpdate("e", 5, static value => value + 1, Token), () => entries["e"] = 5);

            // What it has got, it says with its next word or when it leaves.
            await client.DisposeAsync();
            await Eventually.True(() => server.Statistics.Clients.Count == 0, "the client has gone");
        }

        public void Compare(ManagerServer server, string when)
        {
            HostedObjects objects = server.Objects;
            using LocalUser user = new(objects);
            Assert.True(items.Order().SequenceEqual(user.Items("queue")), $"{when}: acknowledged were {string.Join(' ', items)}, and there are {string.Join(' ', user.Items("queue"))}");
            Assert.True(entries.OrderBy(entry => entry.Key).SequenceEqual(user.Entries("dictionary")), $"{when}: acknowledged were {string.Join(' ', entries)}, and there are {string.Join(' ', user.Entries("dictionary"))}");
            Assert.True(isCompleted == user.IsCompleted("completed"), $"{when}: completed was {(isCompleted ? "acknowledged" : "refused")}");
        }

        private void Try(Action change, Action acknowledged, bool isWanted = true)
        {
            if (!isWanted)
                return;
            if (Refused(change, out _))
                Failures++;
            else
                acknowledged();
        }
    }

    /// <summary>Looks at a manager's objects without changing anything.</summary>
    private sealed class LocalUser(HostedObjects objects) : IDisposable
    {
        private readonly LocalSession session = new(objects.Faults);

        public int[] Items(string name)
        {
            RemoteQueue<int> queue = new(session, name) { Hosted = objects.Find(name) };
            List<QueueLease<int>> leases = [];
            while (queue.TryLease(out QueueLease<int>? lease))
                leases.Add(lease);
            int[] items = [.. leases.Select(lease => lease.Item).Order()];
            leases.ForEach(lease => lease.Abandon());
            return items;
        }

        public KeyValuePair<string, int>[] Entries(string name)
        {
            RemoteDictionary<string, int> dictionary = new(session, name) { Hosted = objects.Find(name) };
            return [.. dictionary.GetEntries(Token).OrderBy(entry => entry.Key)];
        }

        public bool IsCompleted(string name) => new RemoteQueue<int>(session, name) { Hosted = objects.Find(name) }.IsCompleted;

        public void Dispose() => session.End();
    }
}
