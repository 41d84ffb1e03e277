using System.Reflection;
using System.Reflection.Emit;

namespace ManyHands.Tests.Memory;

/// <summary>Types as another program would have them: of the same full name, each in an assembly of its own.</summary>
internal static class OtherBuild
{
    private static int made;

    /// <summary>A type of that name and those fields.</summary>
    public static Type Type(string typeName, string fields, bool isClass)
    {
        ModuleBuilder module = Module();
        TypeAttributes attributes = TypeAttributes.Public | TypeAttributes.SequentialLayout | TypeAttributes.Sealed;
        TypeBuilder type = module.DefineType($"Demo.{typeName}", attributes, isClass ? typeof(object) : typeof(ValueType));
        foreach (string field in fields.Split(", "))
        {
            string[] parts = field.Split(' ');
            type.DefineField(parts[1], TypeOf(parts[0]), FieldAttributes.Public);
        }

        if (isClass)
            type.DefineDefaultConstructor(MethodAttributes.Public);
        return type.CreateType();
    }

    private static Type TypeOf(string text) => text switch
    {
        "int" => typeof(int),
        "long" => typeof(long),
        "float" => typeof(float),
        "string" => typeof(string),
        "Day" => BuildEnum(typeof(int)),
        "DayByte" => BuildEnum(typeof(byte)),
        "Inner" => Type("Inner", "int X, int Y", isClass: false),
        "InnerSwapped" => Type("Inner", "int Y, int X", isClass: false),
        "Inner[]" => TypeOf("Inner").MakeArrayType(),
        "InnerSwapped[]" => TypeOf("InnerSwapped").MakeArrayType(),
        "Points" => typeof(List<>).MakeGenericType(TypeOf("Inner")),
        "PointsSwapped" => typeof(List<>).MakeGenericType(TypeOf("InnerSwapped")),
        _ => throw new ArgumentOutOfRangeException(nameof(text), text, null),
    };

    private static Type BuildEnum(Type underlying)
    {
        ModuleBuilder module = Module();
        EnumBuilder day = module.DefineEnum("Demo.Day", TypeAttributes.Public, underlying);
        day.DefineLiteral("Monday", Convert.ChangeType(1, underlying, null));
        return day.CreateType();
    }

    // .NET finds an assembly by its name.
    private static ModuleBuilder Module() => AssemblyBuilder.DefineDynamicAssembly(new($"Demo{Interlocked.Increment(ref made)}"), AssemblyBuilderAccess.Run).DefineDynamicModule("Demo");
}
