using System.Runtime.InteropServices;
using ManyHands.Managers;

namespace ManyHands.Tests.Managers;

/// <summary>Changes of a queue and a dictionary, told by their numbers, so that whoever knows how many were made knows what must be there.</summary>
internal static class StorageWork
{
    private const int Keys = 8;
    private const int Behind = 4 * 20;

    public static StorageChange Change(long number) => (number % 4) switch
    {
        0 => new(StorageChangeKind.ItemAdded, "queue", number, Value: Value(number)),
        1 => new(StorageChangeKind.EntrySet, "dictionary", Key: [(byte)(number / 4 % Keys)], Value: BitConverter.GetBytes(number)),
        2 => new(StorageChangeKind.ItemRemoved, "queue", number - 2 - Behind),
        _ => new(StorageChangeKind.ItemDelivered, "queue", number - 3),
    };

    public static byte[] Value(long number)
    {
        byte[] value = new byte[sizeof(long) + (number * 37 % 3000)];
        value.AsSpan().Fill((byte)number);
        BitConverter.TryWriteBytes(value, number);
        return value;
    }

    /// <summary>Makes changes until it is killed. The cell has the number of the last that was reported; a negative one if they were not reported in order.</summary>
    public static void WriteOn(string path, SharedArray<long> reported, long last)
    {
        ManagerStorage storage = ManagerStorage.Sqlite(path);
        storage.Load();
        Declare(storage);
        for (long number = last + 1; ; number++)
        {
            long made = number;
            storage.Write(Change(number), failure =>
            {
                ref long cell = ref MemoryMarshal.GetReference(reported.Span);
                Volatile.Write(ref cell, failure is null && cell == made - 1 ? made : long.MinValue);
            });
        }
    }

    public static void Declare(ManagerStorage storage)
    {
        storage.Write(new(StorageChangeKind.Declared, "queue", (long)ObjectKind.Queue, "System.Byte[]"), null);
        storage.Write(new(StorageChangeKind.Declared, "dictionary", (long)ObjectKind.Dictionary, "Byte to Int64"), null);
    }

    /// <summary>What opening the file answers there.</summary>
    public static string Open(string path)
    {
        try
        {
            _ = ManagerStorage.Sqlite(path);
            return "opened";
        }
        catch (IOException refusal)
        {
            return refusal.Message;
        }
    }

    /// <summary>What must be there after so many changes.</summary>
    public sealed class Model
    {
        private readonly SortedDictionary<long, int> items = [];
        private readonly SortedDictionary<byte, long> entries = [];

        public long Last { get; private set; }

        public void AdvanceTo(long number)
        {
            while (Last < number)
            {
                StorageChange change = Change(++Last);
                switch (change.Kind)
                {
                    case StorageChangeKind.ItemAdded: items[change.Number] = 0; break;
                    case StorageChangeKind.ItemRemoved: items.Remove(change.Number); break;
                    case StorageChangeKind.ItemDelivered when items.ContainsKey(change.Number): items[change.Number]++; break;
                    case StorageChangeKind.EntrySet: entries[change.Key![0]] = Last; break;
                }
            }
        }

        public bool Is(IReadOnlyList<StoredObject> objects) =>
            objects.Single(stored => stored.Name == "queue").Items.Select(item => (item.Number, item.Deliveries)).SequenceEqual(items.Select(item => (item.Key, item.Value)))
            && objects.Single(stored => stored.Name == "dictionary").Entries.OrderBy(entry => entry.Key[0]).Select(entry => (entry.Key[0], BitConverter.ToInt64(entry.Value)))
                .SequenceEqual(entries.Select(entry => (entry.Key, entry.Value)));
    }
}
