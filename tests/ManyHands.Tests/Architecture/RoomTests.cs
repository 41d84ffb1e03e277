using System.Text.RegularExpressions;
using ManyHands.Tests.Samples;
using Mono.Cecil;
using Mono.Cecil.Cil;
using Xunit;

namespace ManyHands.Tests.Architecture;

/// <summary>The rooms of the library and their levels: a room uses rooms of lower levels only.</summary>
public sealed partial class RoomTests
{
    private static readonly Dictionary<string, int> Levels = new()
    {
        ["Platform"] = 0,
        ["Serialization"] = 1,
        ["Transport"] = 2,
        ["Memory"] = 2,
        ["Calls"] = 2,
        ["Sync"] = 3,
        ["Workers"] = 3,
        ["Pools"] = 4,
        ["Queues"] = 4,
        ["Managers"] = 5,
    };

    private static string Source => Path.Combine(SampleProcess.RepositoryRoot(), "src", "ManyHands");

    [Fact]
    public void EveryFolder_IsARoomWithALevel() => Assert.Equal(
        Levels.Keys.Order(),
        Directory.GetDirectories(Source).Select(Path.GetFileName).Where(name => name is not ("bin" or "obj")).Order());

    [Fact]
    public void InternalTypes_AreInTheirRoomsNamespace()
    {
        foreach (string file in Directory.EnumerateFiles(Source, "*.cs", SearchOption.AllDirectories))
        {
            string room = Path.GetRelativePath(Source, file).Split(Path.DirectorySeparatorChar)[0];
            if (!Levels.ContainsKey(room))
                continue;
            string declared = Namespace().Match(File.ReadAllText(file)).Groups[1].Value;
            Assert.True(declared == "ManyHands" || declared == $"ManyHands.{room}", $"{file} is in the namespace {declared}");
        }
    }

    [Fact]
    public void Rooms_UseLowerRoomsOnly()
    {
        using ModuleDefinition module = ModuleDefinition.ReadModule(typeof(Pool).Assembly.Location);
        Dictionary<string, string> rooms = RoomsOfTypes();
        List<string> wrong = [];
        int seen = 0;
        foreach (TypeDefinition type in module.GetTypes())
        {
            if (RoomOf(type, rooms) is not { } room)
                continue;
            foreach (TypeReference used in Used(type))
            {
                if (RoomOf(used, rooms) is not { } other || other == room)
                    continue;
                seen++;
                if (Levels[other] >= Levels[room])
                    wrong.Add($"{type.FullName} ({room}) uses {used.FullName} ({other})");
            }
        }

        Assert.Empty(wrong.Distinct());

        // Or the reading of types and rooms has come apart, and the test sees nothing.
        Assert.InRange(seen, 500, int.MaxValue);
    }

    // Public types are all in one namespace, so the folder of the declaring file tells.
    private static Dictionary<string, string> RoomsOfTypes()
    {
        Dictionary<string, string> rooms = [];
        foreach (string room in Levels.Keys)
        {
            foreach (string file in Directory.EnumerateFiles(Path.Combine(Source, room), "*.cs", SearchOption.AllDirectories))
            {
                string text = File.ReadAllText(file);
                string declared = Namespace().Match(text).Groups[1].Value;
                foreach (Match match in Declaration().Matches(text))
                    rooms[$"{declared}.{match.Groups[1].Value}"] = room;
            }
        }

        return rooms;
    }

    private static string? RoomOf(TypeReference type, Dictionary<string, string> rooms)
    {
        TypeReference element = type.GetElementType();
        while (element.DeclaringType is not null)
            element = element.DeclaringType;
        string name = element.FullName;
        int mark = name.IndexOf('`', StringComparison.Ordinal);
        return rooms.GetValueOrDefault(mark < 0 ? name : name[..mark]);
    }

    private static IEnumerable<TypeReference> Used(TypeDefinition type)
    {
        if (type.BaseType is not null)
            yield return type.BaseType;
        foreach (InterfaceImplementation implemented in type.Interfaces)
            yield return implemented.InterfaceType;
        foreach (FieldDefinition field in type.Fields)
            yield return field.FieldType;
        foreach (MethodDefinition method in type.Methods)
        {
            yield return method.ReturnType;
            foreach (ParameterDefinition parameter in method.Parameters)
                yield return parameter.ParameterType;
            if (!method.HasBody)
                continue;
            foreach (Instruction instruction in method.Body.Instructions)
            {
                switch (instruction.Operand)
                {
                    case TypeReference reference: yield return reference; break;
                    case MemberReference { DeclaringType: { } owner }: yield return owner; break;
                }
            }
        }
    }

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    [GeneratedRegex(@"^(?:public|internal|file)[\w ]*? (?:class|struct|record struct|record|interface|enum) (\w+)", RegexOptions.Multiline)]
    private static partial Regex Declaration();
}
